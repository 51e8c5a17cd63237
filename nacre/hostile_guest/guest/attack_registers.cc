// Attacks of the transport: configuration space, BARs, registers.

#include "nacre/hostile_guest/guest/attacks.h"
#include "nacre/hostile_guest/guest/machine.h"

namespace nacre::hostile_guest {
namespace {

constexpr uint64_t kBars = 0x10;
constexpr uint64_t kBarsEnd = 0x28;
constexpr uint64_t kCommand = 0x04;

uint64_t Config(uint64_t offset) { return EcamOf(kDevice) + offset; }

// A read and a write of any size.
void Access(uint64_t address, Random& random) {
  switch (random.Below(8)) {
    case 0:
      Load<uint8_t>(address);
      break;
    case 1:
      Load<uint16_t>(address);
      break;
    case 2:
      Load<uint32_t>(address);
      break;
    case 3:
      Load<uint64_t>(address);
      break;
    case 4:
      Store<uint8_t>(address, static_cast<uint8_t>(random.Wild()));
      break;
    case 5:
      Store<uint16_t>(address, static_cast<uint16_t>(random.Wild()));
      break;
    case 6:
      Store<uint32_t>(address, random.WildWord());
      break;
    default:
      Store<uint64_t>(address, random.Wild());
  }
}

// Makes a request available and kicks, to have the device at work.
void Submit(Gpu& gpu) {
  const uint64_t request = gpu.Put(&kGetDisplayInfo, sizeof(kGetDisplayInfo));
  gpu.Describe(0, request, sizeof(kGetDisplayInfo), virtio::kDescriptorNext, 1);
  gpu.Describe(1, AddressOf(gpu.answer()), 512, virtio::kDescriptorWrite, 0);
  gpu.MakeAvailable(0);
  gpu.Kick();
}

}  // namespace

void AttackConfigSpace(Attacker& attacker) {
  for (int i = 0; i < 300; ++i) {
    attacker.Attempt();
    const uint32_t offset = attacker.random.Below(i % 2 == 0 ? 256 : 4096);
    if (i % 3 == 0) {
      WriteConfigByPort(kDevice, offset & 0xfc, attacker.random.WildWord());
    } else {
      Access(Config(offset & ~7u) + attacker.random.Below(8), attacker.random);
    }
  }
}

// struct virtio_pci_cfg_cap: bar at 4, offset at 8, length at 12, data at 16.
void AttackConfigWindow(Attacker& attacker) {
  const uint64_t window = Config(attacker.gpu.window_capability());
  for (int i = 0; i < 100; ++i) {
    attacker.Attempt();
    const bool tame = attacker.random.Below(2) == 0;
    Store<uint8_t>(window + 4,
                   static_cast<uint8_t>(tame ? 0 : attacker.random.Wild()));
    Store<uint32_t>(window + 8, tame ? attacker.random.Below(0x6000)
                                     : attacker.random.WildWord());
    Store<uint32_t>(window + 12, tame ? 1u << attacker.random.Below(4)
                                      : attacker.random.WildWord());
    Access(window + 16, attacker.random);
  }
}

void AttackMovingBars(Attacker& attacker) {
  Gpu& gpu = attacker.gpu;
  for (int i = 0; i < 40; ++i) {
    attacker.Attempt();
    // The queue has room for no more.
    if (i < Rings::kSize) Submit(gpu);
    const uint64_t targets[] = {
        AddressOf(&gpu) & ~uint64_t{0xfff},  // RAM, our own.
        EcamOf(0),
        kMessageAddress,
        gpu.window(),
        gpu.registers(),
        gpu.registers() + kRegisterBarSize,
        attacker.random.Wild(),
    };
    const uint32_t target = attacker.random.Below(sizeof(targets) / 8);
    const uint64_t bar =
        kBars + 4 * attacker.random.Below((kBarsEnd - kBars) / 4);
    Store<uint32_t>(Config(bar), static_cast<uint32_t>(targets[target]));
    if (i % 4 == 0) {
      Store<uint16_t>(Config(kCommand),
                      static_cast<uint16_t>(attacker.random.Below(8)));
    }
    // Where BARs were and where they may be now, if anywhere.
    Load<uint32_t>(gpu.common());
    Store<uint32_t>(gpu.window(), 1);
  }
  HOSTILE_EXPECT(gpu.Probe());
  gpu.Kick();  // Others may have gone to where nothing was.
  attacker.Note(gpu.Wait());
}

void AttackRegisters(Attacker& attacker) {
  for (int i = 0; i < 1000; ++i) {
    attacker.Attempt();
    // Half of them where most is.
    const uint32_t limit =
        i % 2 == 0 ? static_cast<uint32_t>(kCommonSize) + 8 : kRegisterBarSize;
    Access(attacker.gpu.registers() + attacker.random.Below(limit),
           attacker.random);
  }
}

void AttackMsixTable(Attacker& attacker) {
  Gpu& gpu = attacker.gpu;
  for (int i = 0; i < 150; ++i) {
    Submit(gpu);
    for (int write = 0; write < 4; ++write) {
      attacker.Attempt();
      const uint64_t at =
          gpu.msix_table() + 4 * uint64_t{attacker.random.Below(3 * 4 + 4)};
      uint32_t value = attacker.random.WildWord();
      // Not what resets or stops this CPU: only fixed delivery (SDM, 11.11.2).
      if (at % 16 == 8) value &= ~0x700u;
      Store<uint32_t>(at, value);
    }
    Store<uint16_t>(gpu.common() + kQueueSelect, 0);
    Store<uint16_t>(gpu.common() + kQueueVector,
                    static_cast<uint16_t>(attacker.random.Below(4)));
    attacker.Note(gpu.Wait());
  }
}

void AttackStatus(Attacker& attacker) {
  Gpu& gpu = attacker.gpu;
  for (int i = 0; i < 150; ++i) {
    attacker.Attempt();
    const uint32_t bits = attacker.random.Below(256);
    Store<uint8_t>(gpu.common() + kDeviceStatus, static_cast<uint8_t>(bits));
    gpu.Kick();
    if (i % 8 == 0) HOSTILE_EXPECT(gpu.Start());
    if (i % 3 == 0) Submit(gpu);
  }
}

void AttackLiveQueues(Attacker& attacker) {
  Gpu& gpu = attacker.gpu;
  constexpr uint64_t kRegisters[] = {kQueueSize,   kQueueVector,  kQueueEnable,
                                     kQueueDesc,   kQueueDriver,  kQueueDevice,
                                     kQueueSelect, kDriverFeature};
  for (int i = 0; i < 100; ++i) {
    Submit(gpu);
    for (int write = 0; write < 6; ++write) {
      attacker.Attempt();
      const uint32_t which =
          attacker.random.Below(sizeof(kRegisters) / sizeof(kRegisters[0]));
      const uint64_t at = gpu.common() + kRegisters[which];
      if (kRegisters[which] >= kQueueDesc) {
        Store<uint64_t>(at, attacker.random.Wild());
      } else {
        Store<uint16_t>(at, static_cast<uint16_t>(attacker.random.Below(3)));
      }
    }
    // 4.1.4.3.2 lets a device ignore them: ours goes on.
    const Ending ending = gpu.Wait();
    HOSTILE_EXPECT(ending == Ending::kAnswered);
    attacker.Note(ending);
  }
}

void AttackNotify(Attacker& attacker) {
  Gpu& gpu = attacker.gpu;
  for (int i = 0; i < 300; ++i) {
    attacker.Attempt();
    Access(gpu.notify() + attacker.random.Below(i % 2 == 0 ? 16 : 0x1000),
           attacker.random);
  }
  attacker.Call(&kGetDisplayInfo, sizeof(kGetDisplayInfo));
}

}  // namespace nacre::hostile_guest
