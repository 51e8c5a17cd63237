#include "devices/virtio_gpu/msm/upload_mappings.h"

#include "base/page_size.h"
#include "gtest/gtest.h"

namespace nacre::msm {
namespace {

Mapping NewMapping(size_t size = HostPageSize()) {
  return *Mapping::Anonymous(size, HostPageSize());
}
Mapping NewLargeMapping() {
  return NewMapping(UploadMappings::kMaxKept + HostPageSize());
}

TEST(UploadMappingsTest, FindsWhatWasAdded) {
  UploadMappings mappings;
  EXPECT_EQ(mappings.Find(1), nullptr);
  Mapping mapping = NewMapping();
  uint8_t* const memory = mapping.data();
  mappings.Add(1, std::move(mapping));
  EXPECT_EQ(mappings.Find(1), memory);
  EXPECT_EQ(mappings.Find(2), nullptr);
}

TEST(UploadMappingsTest, TheOldestMakesRoom) {
  UploadMappings mappings;
  // A place is the large one's.
  for (uint32_t handle = 1; handle <= UploadMappings::kMappings; ++handle) {
    mappings.Add(handle, NewMapping(UploadMappings::kMaxKept));
  }
  EXPECT_EQ(mappings.Find(1), nullptr);
  for (uint32_t handle = 2; handle <= UploadMappings::kMappings; ++handle) {
    EXPECT_NE(mappings.Find(handle), nullptr);
  }
}

TEST(UploadMappingsTest, OneIsLargeAndNotForLong) {
  UploadMappings mappings;
  for (uint32_t handle = 1; handle < UploadMappings::kMappings; ++handle) {
    mappings.Add(handle, NewMapping());
  }
  mappings.Add(10, NewLargeMapping());
  EXPECT_NE(mappings.Find(10), nullptr);
  mappings.Add(11, NewLargeMapping());
  EXPECT_EQ(mappings.Find(10), nullptr);
  EXPECT_NE(mappings.Find(11), nullptr);
  mappings.DropLarge();
  mappings.DropLarge();
  EXPECT_EQ(mappings.Find(11), nullptr);
  for (uint32_t handle = 1; handle < UploadMappings::kMappings; ++handle) {
    EXPECT_NE(mappings.Find(handle), nullptr);
  }
}

TEST(UploadMappingsTest, ADroppedHandleIsForgotten) {
  UploadMappings mappings;
  mappings.Add(1, NewMapping());
  mappings.Add(2, NewMapping());
  mappings.Drop(1);
  mappings.Drop(77);
  EXPECT_EQ(mappings.Find(1), nullptr);
  EXPECT_NE(mappings.Find(2), nullptr);
}

}  // namespace
}  // namespace nacre::msm
