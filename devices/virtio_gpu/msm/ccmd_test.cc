#include "devices/virtio_gpu/msm/ccmd.h"

#include <cstring>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "devices/virtio_gpu/msm/testing/guest.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace nacre::msm {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct Ccmd {
  vdrm_ccmd_req header;
  std::variant<MalformedCcmd, NopCcmd, IoctlSimpleCcmd, GemNewCcmd,
               GemSetIovaCcmd, GemCpuPrepCcmd, GemSetNameCcmd, GemSubmitCcmd,
               GemUploadCcmd, SubmitqueueQueryCcmd, WaitFenceCcmd,
               SetDebuginfoCcmd>
      request;
};

std::optional<Ccmd> Next(CcmdReader& reader) {
  std::optional<Ccmd> next;
  const bool called =
      reader.Next([&](const vdrm_ccmd_req& header, const auto& request) {
        EXPECT_FALSE(next.has_value()) << "handled twice";
        next.emplace(Ccmd{header, request});
      });
  EXPECT_EQ(called, next.has_value());
  return next;
}

template <typename T>
T Only(CcmdStream stream) {
  CcmdReader reader(stream.bytes());
  const auto ccmd = Next(reader);
  EXPECT_TRUE(ccmd.has_value());
  EXPECT_TRUE(std::holds_alternative<T>(ccmd->request));
  return std::get<T>(ccmd->request);
}

std::string Reason(const CcmdStream& stream) {
  return Only<MalformedCcmd>(stream).reason;
}

TEST(CcmdReaderTest, WalksConcatenatedCommandsByTheirLength) {
  CcmdStream stream;
  stream.Add(MSM_CCMD_NOP, {});
  stream.Add(MSM_CCMD_WAIT_FENCE, {7, 9}, {}, 40);
  stream.Add(MSM_CCMD_NOP, {});
  CcmdReader reader(stream.bytes());
  EXPECT_EQ(Next(reader)->header.seqno, 1u);
  const auto second = Next(reader);
  EXPECT_EQ(second->header.seqno, 2u);
  EXPECT_EQ(second->header.rsp_off, 40u);
  EXPECT_EQ(std::get<WaitFenceCcmd>(second->request).queue_id, 7u);
  EXPECT_EQ(std::get<WaitFenceCcmd>(second->request).fence, 9u);
  EXPECT_EQ(Next(reader)->header.seqno, 3u);
  EXPECT_FALSE(Next(reader).has_value());
  EXPECT_TRUE(reader.rest().empty());
}

TEST(CcmdReaderTest, AnEmptyStreamIsComplete) {
  CcmdReader reader({});
  EXPECT_FALSE(Next(reader).has_value());
  EXPECT_TRUE(reader.rest().empty());
}

TEST(CcmdReaderTest, ReadsGemNew) {
  CcmdStream stream;
  stream.Add(MSM_CCMD_GEM_NEW, {1, 2, 3, 4, 5, 6});
  const auto ccmd = Only<GemNewCcmd>(stream);
  EXPECT_EQ(ccmd.iova, 0x2'0000'0001u);
  EXPECT_EQ(ccmd.size, 0x4'0000'0003u);
  EXPECT_EQ(ccmd.flags, 5u);
  EXPECT_EQ(ccmd.blob_id, 6u);
}

TEST(CcmdReaderTest, ReadsCommandsWithoutPayload) {
  CcmdStream stream;
  stream.Add(MSM_CCMD_GEM_SET_IOVA, {1, 2, 3, 0});
  EXPECT_EQ(Only<GemSetIovaCcmd>(stream).iova, 0x2'0000'0001u);
  EXPECT_EQ(Only<GemSetIovaCcmd>(stream).res_id, 3u);
  stream = {};
  stream.Add(MSM_CCMD_GEM_CPU_PREP, {4, 5});
  EXPECT_EQ(Only<GemCpuPrepCcmd>(stream).res_id, 4u);
  EXPECT_EQ(Only<GemCpuPrepCcmd>(stream).op, 5u);
  stream = {};
  stream.Add(MSM_CCMD_SUBMITQUEUE_QUERY, {6, 7, 8});
  EXPECT_EQ(Only<SubmitqueueQueryCcmd>(stream).queue_id, 6u);
  EXPECT_EQ(Only<SubmitqueueQueryCcmd>(stream).param, 7u);
  EXPECT_EQ(Only<SubmitqueueQueryCcmd>(stream).len, 8u);
}

TEST(CcmdReaderTest, PayloadsAreAsLongAsTheirLenSays) {
  const std::vector<uint8_t> payload = {'a', 'b', 'c', 'd', 'e'};
  CcmdStream stream;
  stream.Add(MSM_CCMD_GEM_SET_NAME, {2, 3}, payload);
  stream.Add(MSM_CCMD_GEM_UPLOAD, {2, 0, 16, 5}, payload);
  stream.Add(MSM_CCMD_SET_DEBUGINFO, {2, 3}, payload);
  CcmdReader reader(stream.bytes());
  EXPECT_THAT(std::get<GemSetNameCcmd>(Next(reader)->request).name,
              ElementsAre('a', 'b', 'c'));
  const auto upload = std::get<GemUploadCcmd>(Next(reader)->request);
  EXPECT_EQ(upload.off, 16u);
  EXPECT_THAT(upload.data, ElementsAre('a', 'b', 'c', 'd', 'e'));
  const auto debug = std::get<SetDebuginfoCcmd>(Next(reader)->request);
  EXPECT_THAT(debug.comm, ElementsAre('a', 'b'));
  EXPECT_THAT(debug.cmdline, ElementsAre('c', 'd', 'e'));
}

TEST(CcmdReaderTest, SubmitArraysStartUnalignedBehindTheFence) {
  std::vector<uint8_t> arrays(2 * 16 + 32);
  for (size_t i = 0; i < arrays.size(); ++i) arrays[i] = i;
  CcmdStream stream;
  stream.Add(MSM_CCMD_GEM_SUBMIT, {0x10, 4, 2, 1, 77}, arrays);
  CcmdReader reader(stream.bytes());
  const auto submit = std::get<GemSubmitCcmd>(Next(reader)->request);
  EXPECT_EQ(submit.flags, 0x10u);
  EXPECT_EQ(submit.queue_id, 4u);
  EXPECT_EQ(submit.fence, 77u);
  EXPECT_EQ(submit.bos.data() - stream.bytes().data(), 36);
  EXPECT_EQ(submit.bos.size(), 32u);
  EXPECT_EQ(submit.cmds.size(), 32u);
  EXPECT_EQ(submit.cmds[0], 32);
}

// Structures of an older Mesa.
TEST(CcmdReaderTest, WhatAShorterStructureLacksIsZero) {
  CcmdStream stream;
  stream.Add(MSM_CCMD_GEM_NEW, {1, 2});
  EXPECT_EQ(Only<GemNewCcmd>(stream).iova, 0x2'0000'0001u);
  EXPECT_EQ(Only<GemNewCcmd>(stream).size, 0u);
  for (uint32_t cmd = MSM_CCMD_NOP; cmd < MSM_CCMD_LAST; ++cmd) {
    stream = {};
    stream.Add(cmd, {});
    CcmdReader reader(stream.bytes());
    const auto ccmd = Next(reader);
    ASSERT_TRUE(ccmd.has_value());
    EXPECT_FALSE(std::holds_alternative<MalformedCcmd>(ccmd->request)) << cmd;
  }
}

TEST(CcmdReaderTest, WhatALongerStructureHasMoreIsIgnored) {
  CcmdStream stream;
  stream.Add(MSM_CCMD_WAIT_FENCE, {7, 9, 0xdead, 0xbeef});
  EXPECT_EQ(Only<WaitFenceCcmd>(stream).fence, 9u);
}

TEST(CcmdReaderTest, LengthsInsideACommandMayNotLeaveIt) {
  CcmdStream stream;
  stream.Add(MSM_CCMD_GEM_SET_NAME, {2, 5}, std::vector<uint8_t>(4));
  EXPECT_THAT(Reason(stream), testing::HasSubstr("GEM_SET_NAME"));
  stream = {};
  stream.Add(MSM_CCMD_GEM_UPLOAD, {2, 0, 0, 0xffffffff},
             std::vector<uint8_t>(4));
  EXPECT_THAT(Reason(stream), testing::HasSubstr("above the limit"));
  stream = {};
  stream.Add(MSM_CCMD_GEM_UPLOAD, {2, 0, 0, 8}, std::vector<uint8_t>(4));
  EXPECT_THAT(Reason(stream), testing::HasSubstr("beyond"));
  stream = {};
  stream.Add(MSM_CCMD_SET_DEBUGINFO, {0xffffffff, 1}, std::vector<uint8_t>(4));
  EXPECT_THAT(Reason(stream), testing::HasSubstr("comm_len"));
  stream = {};
  stream.Add(MSM_CCMD_SET_DEBUGINFO, {4, 0xffffffff}, std::vector<uint8_t>(4));
  EXPECT_THAT(Reason(stream), testing::HasSubstr("cmdline_len"));
}

TEST(CcmdReaderTest, SubmitCountsMayNotOverflowOrLeaveTheCommand) {
  // 0x10000000 * 16 is 0 in 32 bits.
  constexpr uint32_t kOverflowingBos = 0x10000000;
  static_assert(uint32_t{kOverflowingBos * 16} == 0);
  constexpr uint32_t kOverflowingCmds = 0x08000000;
  static_assert(uint32_t{kOverflowingCmds * 32} == 0);
  CcmdStream stream;
  stream.Add(MSM_CCMD_GEM_SUBMIT, {0x10, 0, kOverflowingBos, 0, 1});
  EXPECT_THAT(Reason(stream), testing::HasSubstr("nr_bos above"));
  stream = {};
  stream.Add(MSM_CCMD_GEM_SUBMIT, {0x10, 0, 0, kOverflowingCmds, 1});
  EXPECT_THAT(Reason(stream), testing::HasSubstr("nr_cmds above"));
  stream = {};
  stream.Add(MSM_CCMD_GEM_SUBMIT, {0x10, 0, 2, 0, 1}, std::vector<uint8_t>(28));
  EXPECT_THAT(Reason(stream), testing::HasSubstr("nr_bos beyond"));
  stream = {};
  stream.Add(MSM_CCMD_GEM_SUBMIT, {0x10, 0, 1, 1, 1}, std::vector<uint8_t>(44));
  EXPECT_THAT(Reason(stream), testing::HasSubstr("nr_cmds beyond"));
}

TEST(CcmdReaderTest, UnknownCommandsComeOutWithTheirSeqno) {
  for (const uint32_t cmd : {0u, uint32_t{MSM_CCMD_LAST}, 0xffffffffu}) {
    CcmdStream stream;
    stream.Add(cmd, {1, 2, 3});
    stream.Add(MSM_CCMD_NOP, {});
    CcmdReader reader(stream.bytes());
    const auto unknown = Next(reader);
    EXPECT_EQ(unknown->header.seqno, 1u);
    EXPECT_TRUE(std::holds_alternative<MalformedCcmd>(unknown->request));
    EXPECT_EQ(Next(reader)->header.seqno, 2u);
    EXPECT_TRUE(reader.rest().empty());
  }
}

// The guest waits for the seqno of the broken command too.
TEST(CcmdReaderTest, AWrongHeaderLengthEndsTheStreamWithThatCommand) {
  for (const uint32_t len :
       {0u, 4u, 15u, 17u, 18u, 52u, 0x80000000u, 0xfffffffcu, 0xffffffffu}) {
    CcmdStream stream;
    stream.Add(MSM_CCMD_NOP, {});
    stream.Add(MSM_CCMD_NOP, {});
    stream.Add(MSM_CCMD_NOP, {});
    std::memcpy(stream.bytes().data() + 16 + 4, &len, sizeof(len));
    CcmdReader reader(stream.bytes());
    EXPECT_EQ(Next(reader)->header.seqno, 1u);
    const auto broken = Next(reader);
    ASSERT_TRUE(broken.has_value());
    EXPECT_EQ(broken->header.seqno, 2u);
    EXPECT_TRUE(std::holds_alternative<MalformedCcmd>(broken->request)) << len;
    EXPECT_FALSE(Next(reader).has_value());
  }
}

TEST(CcmdReaderTest, BytesTooFewForAHeaderLeaveTheStreamIncomplete) {
  CcmdStream stream;
  stream.Add(MSM_CCMD_NOP, {});
  stream.bytes().resize(16 + 15);
  CcmdReader reader(stream.bytes());
  EXPECT_TRUE(Next(reader).has_value());
  EXPECT_FALSE(Next(reader).has_value());
  EXPECT_FALSE(reader.rest().empty());
  EXPECT_FALSE(Next(reader).has_value());
}

TEST(CcmdReaderTest, IoctlPayloadIsTheRestOfTheCommand) {
  CcmdStream stream;
  stream.Add(MSM_CCMD_IOCTL_SIMPLE, {0xc0186440}, std::vector<uint8_t>(24));
  stream.Add(MSM_CCMD_IOCTL_SIMPLE, {1});
  CcmdReader reader(stream.bytes());
  const auto ioctl = std::get<IoctlSimpleCcmd>(Next(reader)->request);
  EXPECT_EQ(ioctl.code, 0xc0186440u);
  EXPECT_EQ(ioctl.payload.size(), 24u);
  EXPECT_THAT(std::get<IoctlSimpleCcmd>(Next(reader)->request).payload,
              IsEmpty());
}

}  // namespace
}  // namespace nacre::msm
