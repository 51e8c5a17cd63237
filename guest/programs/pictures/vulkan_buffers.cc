// Fills, updates and copies of buffers, and query pools. A buffer is shown as a
// picture of 64 grey bytes a row.

#include <cinttypes>
#include <cstdio>
#include <numeric>

#include "guest/programs/pictures/render_pass.h"
#include "guest/programs/pictures/vulkan_cases.h"

namespace nacre::guest {
namespace {

constexpr uint32_t kWidth = 64;
constexpr uint32_t kHeight = 32;

Image Shown(const HostBuffer& buffer) {
  Image image(kWidth, kHeight, 1);
  image.bytes() = buffer.Bytes();
  return image;
}

void Fills(Suite& suite, Gpu& gpu) {
  Image wanted = Weave(kWidth, kHeight, 1, 31);
  const HostBuffer buffer(gpu, wanted.bytes());
  const struct {
    VkDeviceSize offset;
    VkDeviceSize size;
    uint32_t word;
  } fills[] = {{4, 4, 0x44332211},
               {100, 600, 0xc0804020},
               {1028, 36, 0},
               {1900, VK_WHOLE_SIZE, 0xffeeddcc}};
  gpu.Run([&](VkCommandBuffer commands) {
    for (const auto& [offset, size, word] : fills) {
      vkCmdFillBuffer(commands, buffer.get(), offset, size, word);
    }
  });
  for (const auto& [offset, size, word] : fills) {
    const VkDeviceSize end =
        size == VK_WHOLE_SIZE ? wanted.bytes().size() : offset + size;
    for (VkDeviceSize i = offset; i < end; ++i) {
      wanted.bytes()[i] = static_cast<uint8_t>(word >> 8 * (i % 4));
    }
  }
  suite.Check("fill-buffer", Shown(buffer), wanted, ShadeR8);
}

void Updates(Suite& suite, Gpu& gpu) {
  Image wanted = Weave(kWidth, kHeight, 1, 32);
  const HostBuffer buffer(gpu, wanted.bytes());
  std::vector<uint8_t> bytes(1004);
  std::iota(bytes.begin(), bytes.end(), uint8_t{0});
  gpu.Run([&](VkCommandBuffer commands) {
    vkCmdUpdateBuffer(commands, buffer.get(), 52, bytes.size(), bytes.data());
    vkCmdUpdateBuffer(commands, buffer.get(), 2044, 4, bytes.data());
  });
  std::memcpy(&wanted.bytes()[52], bytes.data(), bytes.size());
  std::memcpy(&wanted.bytes()[2044], bytes.data(), 4);
  suite.Check("update-buffer", Shown(buffer), wanted, ShadeR8);
}

// At offsets and of sizes that are multiples of nothing.
void Copies(Suite& suite, Gpu& gpu) {
  const Image weave = Weave(kWidth, kHeight, 1, 33);
  Image wanted = Weave(kWidth, kHeight, 1, 34);
  const HostBuffer from(gpu, weave.bytes());
  const HostBuffer to(gpu, wanted.bytes());
  const VkBufferCopy regions[] = {{13, 101, 777}, {0, 1, 1}, {3, 1025, 1023}};
  gpu.Run([&](VkCommandBuffer commands) {
    vkCmdCopyBuffer(commands, from.get(), to.get(), 3, regions);
  });
  for (const VkBufferCopy& region : regions) {
    std::memcpy(&wanted.bytes()[region.dstOffset],
                &weave.bytes()[region.srcOffset], region.size);
  }
  suite.Check("copy-buffer", Shown(to), wanted, ShadeR8);
}

// More than one row of the 2D engine can hold.
void LargeCopy(Suite& suite, Gpu& gpu) {
  const Image weave = Weave(512, 256, 1, 35);
  const HostBuffer from(gpu, weave.bytes());
  const HostBuffer to(gpu, weave.bytes().size());
  const VkBufferCopy region = {0, 0, weave.bytes().size()};
  gpu.Run([&](VkCommandBuffer commands) {
    vkCmdCopyBuffer(commands, from.get(), to.get(), 1, &region);
  });
  Image found(512, 256, 1);
  found.bytes() = to.Bytes();
  suite.Check("copy-buffer-large", found, weave, ShadeR8);
}

VkQueryPool MakePool(Gpu& gpu, VkQueryType type, uint32_t count) {
  VkQueryPoolCreateInfo info = {};
  info.sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO;
  info.queryType = type;
  info.queryCount = count;
  VkQueryPool pool = VK_NULL_HANDLE;
  Check(vkCreateQueryPool(gpu.device(), &info, nullptr, &pool),
        "vkCreateQueryPool");
  return pool;
}

// Words of 64 bits that vkCmdCopyQueryPoolResults writes: the result, and
// whether there is one.
std::vector<uint64_t> CopyResults(Gpu& gpu, VkQueryPool pool, uint32_t count,
                                  VkQueryResultFlags flags) {
  const HostBuffer buffer(gpu, VkDeviceSize{16} * count);
  gpu.Run([&](VkCommandBuffer commands) {
    vkCmdCopyQueryPoolResults(
        commands, pool, 0, count, buffer.get(), 0, 16,
        flags | VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WITH_AVAILABILITY_BIT);
  });
  std::vector<uint64_t> words(2 * size_t{count});
  std::memcpy(words.data(), buffer.Bytes().data(), 8 * words.size());
  return words;
}

std::string Listed(const std::vector<uint64_t>& words) {
  std::string list = "the words are";
  for (const uint64_t word : words) list += " " + std::to_string(word);
  return list;
}

// Available when written, increasing, and not available after a reset.
void Timestamps(Suite& suite, Gpu& gpu) {
  const VkQueryPool pool = MakePool(gpu, VK_QUERY_TYPE_TIMESTAMP, 3);
  const HostBuffer buffer(gpu, 4096);
  gpu.Run([&](VkCommandBuffer commands) {
    vkCmdResetQueryPool(commands, pool, 0, 3);
    for (uint32_t i = 0; i < 3; ++i) {
      vkCmdWriteTimestamp(commands, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, pool,
                          i);
      vkCmdFillBuffer(commands, buffer.get(), 0, 4096, i);
    }
  });
  const std::vector<uint64_t> words =
      CopyResults(gpu, pool, 3, VK_QUERY_RESULT_WAIT_BIT);
  suite.CheckFact("timestamps-increase",
                  words[1] == 1 && words[3] == 1 && words[5] == 1 &&
                      words[0] != 0 && words[0] < words[2] &&
                      words[2] < words[4],
                  Listed(words));
  gpu.Run([&](VkCommandBuffer commands) {
    vkCmdResetQueryPool(commands, pool, 1, 1);
  });
  const std::vector<uint64_t> after = CopyResults(gpu, pool, 3, 0);
  suite.CheckFact("timestamps-reset",
                  after[1] == 1 && after[3] == 0 && after[5] == 1 &&
                      after[0] == words[0] && after[4] == words[4],
                  Listed(after));
  vkDestroyQueryPool(gpu.device(), pool, nullptr);
}

// Passes without a draw: no sample passed. A query that never was is none.
void Occlusion(Suite& suite, Gpu& gpu) {
  const VkQueryPool pool = MakePool(gpu, VK_QUERY_TYPE_OCCLUSION, 3);
  gpu.Run([&](VkCommandBuffer commands) {
    vkCmdResetQueryPool(commands, pool, 0, 3);
  });
  const GpuImage image(gpu, {.width = 64,
                             .height = 48,
                             .usage = VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT});
  for (const uint32_t query : {0, 2}) {
    RunPass(gpu,
            {.colors = {{.image = &image, .load = VK_ATTACHMENT_LOAD_OP_CLEAR}},
             .area = {.offset = {}, .extent = {64, 48}}},
            [&](VkCommandBuffer commands) {
              vkCmdBeginQuery(commands, pool, query, 0);
              vkCmdEndQuery(commands, pool, query);
            });
  }
  const std::vector<uint64_t> words = CopyResults(gpu, pool, 3, 0);
  suite.CheckFact("occlusion-is-none",
                  words[0] == 0 && words[1] == 1 && words[3] == 0 &&
                      words[4] == 0 && words[5] == 1,
                  Listed(words));
  vkDestroyQueryPool(gpu.device(), pool, nullptr);
}

}  // namespace

void CheckVulkanBuffers(Suite& suite, Gpu& gpu) {
  Fills(suite, gpu);
  Updates(suite, gpu);
  Copies(suite, gpu);
  LargeCopy(suite, gpu);
}

void CheckVulkanQueries(Suite& suite, Gpu& gpu) {
  Timestamps(suite, gpu);
  Occlusion(suite, gpu);
}

}  // namespace nacre::guest
