#include "devices/virtio/remote/channel.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <filesystem>

#include "base/mapping.h"
#include "gtest/gtest.h"

namespace nacre::virtio {
namespace {

using std::chrono_literals::operator""ms;

size_t OpenFds() {
  const std::filesystem::directory_iterator fds("/proc/self/fd");
  return static_cast<size_t>(std::distance(begin(fds), end(fds)));
}

class ChannelTest : public testing::Test {
 protected:
  ChannelTest() : ChannelTest(*Channel::CreatePair()) {}

  Channel ours_;
  Channel theirs_;

 private:
  explicit ChannelTest(std::pair<Channel, Channel> pair)
      : ours_(std::move(pair.first)), theirs_(std::move(pair.second)) {}
};

constexpr std::array<uint8_t, 3> kHead = {1, 2, 3};
constexpr std::array<uint8_t, 2> kBody = {4, 5};

TEST_F(ChannelTest, PacketsArriveWhole) {
  ASSERT_TRUE(ours_.Send(kHead, kBody, {}, std::nullopt).ok());
  ASSERT_TRUE(ours_.Send(kHead, {}, {}, std::nullopt).ok());
  const auto first = theirs_.Receive(0, std::nullopt);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->bytes.size(), 5u);
  EXPECT_EQ(first->bytes[4], 5);
  EXPECT_EQ(theirs_.Receive(0, std::nullopt)->bytes.size(), 3u);
}

TEST_F(ChannelTest, DescriptorsTravel) {
  const Fd memfd = *CreateMemfd("test", 4096);
  const std::array<int, 1> fds = {memfd.get()};
  ASSERT_TRUE(ours_.Send(kHead, {}, fds, std::nullopt).ok());
  const auto packet = theirs_.Receive(1, std::nullopt);
  ASSERT_EQ(packet->fds.size(), 1u);
  EXPECT_EQ(lseek(packet->fds[0].get(), 0, SEEK_END), 4096);
  EXPECT_NE(fcntl(packet->fds[0].get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST_F(ChannelTest, AClosedPeerIsUnavailable) {
  theirs_ = Channel(Fd());
  EXPECT_TRUE(absl::IsUnavailable(ours_.Receive(0, std::nullopt).status()));
  EXPECT_TRUE(absl::IsUnavailable(ours_.Send(kHead, {}, {}, std::nullopt)));
}

// The kernel tells of what the peer did not read before it gives what it sent.
TEST_F(ChannelTest, LastWordsOfAPeerThatDoesNotReadArrive) {
  ASSERT_TRUE(ours_.Send(kHead, {}, {}, std::nullopt).ok());
  ASSERT_TRUE(theirs_.Send(kHead, kBody, {}, std::nullopt).ok());
  theirs_ = Channel(Fd());
  EXPECT_TRUE(ours_.Readable());
  EXPECT_EQ(ours_.Receive(0, std::nullopt)->bytes.size(), 5u);
  EXPECT_TRUE(absl::IsUnavailable(ours_.Receive(0, std::nullopt).status()));
}

TEST_F(ChannelTest, ShutdownIsSeenAtBothEnds) {
  ours_.Shutdown();
  EXPECT_TRUE(absl::IsUnavailable(ours_.Receive(0, std::nullopt).status()));
  EXPECT_TRUE(absl::IsUnavailable(theirs_.Receive(0, std::nullopt).status()));
}

TEST_F(ChannelTest, SilenceEndsAtTheTimeLimit) {
  EXPECT_TRUE(absl::IsDeadlineExceeded(ours_.Receive(0, 1ms).status()));
}

// Attack: a peer that reads nothing, to make the other one wait for ever.
TEST_F(ChannelTest, APeerThatReadsNothingMakesNobodyWait) {
  absl::Status sent;
  while (sent.ok()) sent = ours_.Send(kHead, {}, {}, 1ms);
  EXPECT_TRUE(absl::IsDeadlineExceeded(sent));
}

// Attack: more descriptors than are expected, to use up the receiver's.
TEST_F(ChannelTest, UnexpectedDescriptorsAreRefusedAndClosed) {
  const size_t before = OpenFds();
  {
    const Fd memfd = *CreateMemfd("test", 4096);
    const std::vector<int> fds(Channel::kMaxFds, memfd.get());
    ASSERT_TRUE(ours_.Send(kHead, {}, fds, std::nullopt).ok());
    EXPECT_TRUE(
        absl::IsInvalidArgument(theirs_.Receive(1, std::nullopt).status()));
  }
  EXPECT_EQ(OpenFds(), before);
}

TEST_F(ChannelTest, AnOversizedPacketIsRefused) {
  const std::vector<uint8_t> huge(Channel::kMaxPacket + 1);
  ASSERT_EQ(send(ours_.fd(), huge.data(), huge.size(), 0),
            static_cast<ssize_t>(huge.size()));
  EXPECT_TRUE(
      absl::IsInvalidArgument(theirs_.Receive(0, std::nullopt).status()));
}

TEST_F(ChannelTest, AnEmptyPacketIsTheEnd) {
  ASSERT_EQ(send(ours_.fd(), nullptr, 0, 0), 0);
  EXPECT_TRUE(absl::IsUnavailable(theirs_.Receive(0, std::nullopt).status()));
}

}  // namespace
}  // namespace nacre::virtio
