#include "tools/preload/picture.h"

#include "gtest/gtest.h"

namespace nacre::preload {
namespace {

class PictureTest : public testing::Test {
 protected:
  // What a path has in the end; "(none)" where the picture says that nothing is
  // there, and the path itself for the machine's own.
  std::string Content(absl::string_view path, bool follow = true) {
    const Picture::Place place = picture_.Find(path, follow);
    if (place.node != nullptr) return place.node->content;
    return place.outside ? place.path : "(none)";
  }
  const Picture picture_{{.root = "/sys/devices/platform/nacre-adreno",
                          .path = "/sys/devices/platform/nacre-adreno",
                          .files = {{"uevent", "OF_FULLNAME=/gpu\n"}},
                          .links = {{"subsystem", "../../../bus/platform"}}}};
  // As virtio devices are, below a device of the PCI bus.
  const Picture virtio_{
      {.root = "/sys/devices/pci0000:00/0000:00:03.0",
       .path = "/sys/devices/pci0000:00/0000:00:03.0/virtio0",
       .files = {{"vendor", "0x1af4\n"}},
       .links = {{"virtio0/subsystem", "../../../../bus/virtio"}}}};
};

TEST_F(PictureTest, TheRenderNodeIsAlone) {
  const Picture::Place dri = picture_.Find("/dev/dri", true);
  ASSERT_NE(dri.node, nullptr);
  EXPECT_EQ(dri.node->entries, std::vector<std::string>{"renderD128"});
  EXPECT_EQ(picture_.Find("/dev/dri/renderD128", true).node->kind,
            Picture::Kind::kRenderNode);
  // A real GPU of this machine is hidden.
  EXPECT_EQ(Content("/dev/dri/card0"), "(none)");
  EXPECT_EQ(Content("/dev/dri/renderD129"), "(none)");
}

TEST_F(PictureTest, TheRestIsTheMachines) {
  for (const char* path : {"/", "/dev", "/dev/null", "/dev/drip", "/etc/passwd",
                           "/sys/dev/char/1:3", "/sys/dev/char/226:1289",
                           "relative/dev/dri", ""}) {
    EXPECT_EQ(Content(path), path);
  }
  EXPECT_EQ(Content("/dev/dri/../null"), "/dev/null");
}

TEST_F(PictureTest, PathsMayBeWrittenInManyWays) {
  for (const char* path :
       {"/dev//dri/./renderD128", "/dev/dri/../dri/renderD128",
        "/sys/../dev/dri/renderD128", "/dev/dri/renderD128/"}) {
    ASSERT_NE(picture_.Find(path, true).node, nullptr) << path;
  }
}

// What drmGetDevices2 asks of a device of the platform bus.
TEST_F(PictureTest, SysfsLeadsToAPlatformDevice) {
  EXPECT_NE(picture_.Find("/sys/dev/char/226:128/device/drm", true).node,
            nullptr);
  EXPECT_EQ(Content("/sys/dev/char/226:128/device/subsystem", false),
            "../../../bus/platform");
  // Followed, the link leads out of the picture.
  EXPECT_EQ(Content("/sys/dev/char/226:128/device/subsystem"),
            "/sys/bus/platform");
  EXPECT_EQ(picture_.Find("/sys/dev/char/226:128/device", true).path,
            "/sys/devices/platform/nacre-adreno");
  EXPECT_EQ(Content("/sys/dev/char/226:128/device/uevent"),
            "OF_FULLNAME=/gpu\n");
  EXPECT_EQ(Content("/sys/dev/char/226:128/dev"), "226:128\n");
  EXPECT_EQ(Content("/sys/dev/char/226:128/device/vendor"), "(none)");
}

// What it asks of one of the PCI bus, which a virtio device is below.
TEST_F(PictureTest, SysfsLeadsToADeviceBelowAnother) {
  const std::string pci = "/sys/devices/pci0000:00/0000:00:03.0";
  EXPECT_EQ(virtio_.Find("/sys/dev/char/226:128/device", true).path,
            pci + "/virtio0");
  EXPECT_EQ(virtio_.Find("/sys/dev/char/226:128/subsystem", true).path,
            "/sys/class/drm");
  EXPECT_EQ(virtio_.Find(pci + "/virtio0/../vendor", true).node->content,
            "0x1af4\n");
  EXPECT_EQ(virtio_.Find(pci, true).node->entries,
            (std::vector<std::string>{"vendor", "virtio0"}));
  EXPECT_TRUE(virtio_.Find("/sys/devices/pci0000:00/x", true).outside);
}

TEST_F(PictureTest, ASlashBehindALinkFollowsIt) {
  EXPECT_EQ(picture_.Find("/sys/dev/char/226:128/device", false).node->kind,
            Picture::Kind::kLink);
  EXPECT_EQ(picture_.Find("/sys/dev/char/226:128/device/", false).node->kind,
            Picture::Kind::kDirectory);
}

}  // namespace
}  // namespace nacre::preload
