// Config files and command lines. Input byte 0 chooses: the others are a config
// file; a recipe for one, most of whose fields mean something (whatever fields
// there are: by reflection); or a command line, an argument a line, behind the
// config file that it is to be laid over, up to the first zero byte. What is
// accepted keeps the promises of config.h, what is refused is one line.

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/bytes.h"
#include "base/fd.h"
#include "glog/logging.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "google/protobuf/text_format.h"
#include "nacre/config.h"
#include "nacre/flags.h"

namespace nacre {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr const char* kStrings[] = {
    "sim:a660", "sim:a730",    "none",     "/dev/dri/renderD128",
    "off",      "best-effort", "required", "/boot/vmlinuz",
};

constexpr const char* kJails[] = {"off", "best-effort", "required"};

// Most numbers near what makes sense: powers of two and their neighbours.
uint64_t TakeNumber(ByteReader& input) {
  const auto code = input.ReadZeroExtended<uint8_t>();
  if (code < 0x80) return code;
  if (code < 0xc0) return uint64_t{1} << (code & 0x3f);
  if (code < 0xe0) return (uint64_t{1} << (code & 0x1f)) - 1;
  return input.ReadZeroExtended<uint64_t>();
}

std::string TakeString(ByteReader& input) {
  const auto code = input.ReadZeroExtended<uint8_t>();
  if (code < 0xc0) return kStrings[code % std::size(kStrings)];
  std::string result;
  for (int i = code & 0xf; i > 0; --i) {
    result += static_cast<char>(input.ReadZeroExtended<uint8_t>() & 0x7f);
  }
  return result;
}

void TakeValue(ByteReader& input, Message& message,
               const FieldDescriptor* field);

void TakeFields(ByteReader& input, Message& message) {
  const google::protobuf::Descriptor* type = message.GetDescriptor();
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor* field = type->field(i);
    int count = input.ReadZeroExtended<uint8_t>() % 4;
    if (!field->is_repeated() && count > 1) count = 1;
    for (; count > 0; --count) TakeValue(input, message, field);
  }
}

void TakeValue(ByteReader& input, Message& message,
               const FieldDescriptor* field) {
  const Reflection& to = *message.GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return TakeFields(input, field->is_repeated()
                                   ? *to.AddMessage(&message, field)
                                   : *to.MutableMessage(&message, field));
    case FieldDescriptor::CPPTYPE_STRING:
      if (field->is_repeated()) {
        return to.AddString(&message, field, TakeString(input));
      }
      return to.SetString(&message, field, TakeString(input));
    case FieldDescriptor::CPPTYPE_UINT32:
      if (field->is_repeated()) return;
      return to.SetUInt32(&message, field,
                          static_cast<uint32_t>(TakeNumber(input)));
    case FieldDescriptor::CPPTYPE_UINT64:
      if (field->is_repeated()) return;
      return to.SetUInt64(&message, field, TakeNumber(input));
    case FieldDescriptor::CPPTYPE_BOOL:
      if (field->is_repeated()) return;
      return to.SetBool(&message, field, (TakeNumber(input) & 1) != 0);
    default:
      return;  // None has others.
  }
}

void CheckRefused(const absl::Status& status) {
  CHECK(!status.message().empty());
  CHECK(!absl::StrContains(status.message(), '\n')) << status;
}

// As proto/vm_config.proto promises.
void CheckAccepted(const Gpu& gpu) {
  CHECK(gpu.scanouts() <= 16);
  CHECK(gpu.width() != 0 && gpu.height() != 0);
  CHECK(std::ranges::count(kJails, gpu.jail()) == 1);
  const auto check = [](uint64_t value, uint64_t low, uint64_t high) {
    CHECK(value >= low && value <= high) << value;
  };
  const GpuLimits& limits = gpu.limits();
  check(limits.contexts(), 1, 65536);
  check(limits.native_contexts(), 1, 65536);
  check(limits.resources(), 1, 1048576);
  check(limits.buffers_mib(), 1, 16777216);
  check(limits.context_buffers_mib(), 1, 16777216);
  check(limits.submitqueues(), 1, 65536);
  check(limits.unfinished_mib(), 1, 16777216);
  check(limits.context_unfinished_mib(), 1, 16777216);
  check(limits.pending_fences(), 1, 512);
  check(limits.mapped_blobs(), 1, 1000000);
  if (limits.has_mapped_mib()) check(limits.mapped_mib(), 1, gpu.window_mib());
  check(limits.log_lines_per_second(), 0, 1000);
  const GpuTime& time = gpu.time();
  if (time.has_submission_us()) check(time.submission_us(), 1, 499999);
  if (time.has_megabytes_per_second()) {
    check(time.megabytes_per_second(), 1, 1000000);
  }
  if (time.has_megapixels_per_second()) {
    check(time.megapixels_per_second(), 1, 1000000);
  }
}

void CheckAccepted(const VmConfig& config) {
  CHECK(config.vcpus() >= 1 && config.vcpus() <= 64);
  CHECK(!config.boot().kernel().empty());
  CHECK(!config.memory_region().empty() || config.memory_mib() >= 64);
  for (const MemoryRegion& a : config.memory_region()) {
    CHECK_NE(a.size(), 0u);
    CHECK_GE(a.guest_address() + a.size(), a.guest_address());
    for (const MemoryRegion& b : config.memory_region()) {
      CHECK(&a == &b || a.guest_address() + a.size() <= b.guest_address() ||
            b.guest_address() + b.size() <= a.guest_address());
    }
  }
  const uint64_t window = config.gpu().window_mib();
  CHECK(window != 0 && window <= 32768 && (window & (window - 1)) == 0);
  CheckAccepted(config.gpu());
}

void Validate(const VmConfig& config) {
  const absl::Status valid = ValidateConfig(config);
  if (!valid.ok()) return CheckRefused(valid);
  CheckAccepted(config);
}

void RunText(const std::string& text) {
  const absl::StatusOr<VmConfig> config = ParseConfig(text, "vm.txtpb");
  if (!config.ok()) return CheckRefused(config.status());
  Validate(*config);
}

void RunRecipe(ByteReader input) {
  VmConfig config;
  TakeFields(input, config);
  Validate(config);
  // What is written is read back.
  std::string text;
  CHECK(google::protobuf::TextFormat::PrintToString(config, &text));
  const absl::StatusOr<VmConfig> read = ParseConfig(text, "vm.txtpb");
  CHECK(read.ok()) << read.status();
  CHECK_EQ(read->SerializeAsString(), config.SerializeAsString());
}

void RunCommandLine(const std::string& input) {
  const size_t end = input.find('\0');
  const std::string text = input.substr(0, end);
  const Fd file(memfd_create("config", MFD_CLOEXEC));
  CHECK_EQ(write(file.get(), text.data(), text.size()),
           static_cast<ssize_t>(text.size()));
  std::vector<std::string> arguments = {
      "nacre", absl::StrCat("--config=/proc/self/fd/", file.get())};
  if (end != std::string::npos) {
    for (const absl::string_view argument :
         absl::StrSplit(input.substr(end + 1), absl::ByAnyChar({"\n\0", 2}))) {
      // Another file could be any device.
      if (!absl::StrContains(argument, "conf")) {
        arguments.emplace_back(argument);
      }
    }
  }
  std::vector<const char*> argv;
  for (const std::string& argument : arguments) argv.push_back(argument.data());
  const absl::StatusOr<Command> command =
      ParseCommandLine(static_cast<int>(argv.size()), argv.data());
  if (!command.ok()) return CheckRefused(command.status());
  if (const auto* run = std::get_if<RunVm>(&*command)) {
    CheckAccepted(run->config);
  } else if (const auto* help = std::get_if<ShowHelp>(&*command)) {
    CHECK(absl::StrContains(help->text, "--kernel"));
  }
}

}  // namespace
}  // namespace nacre

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data + 1), size - 1);
  switch (data[0] % 3) {
    case 0:
      nacre::RunRecipe(nacre::ByteReader({data + 1, size - 1}));
      break;
    case 1:
      nacre::RunText(text);
      break;
    case 2:
      nacre::RunCommandLine(text);
      break;
  }
  return 0;
}
