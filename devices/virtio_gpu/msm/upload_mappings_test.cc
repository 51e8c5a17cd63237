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
  for (uint32_t handle = 1; handle <= UploadMappings::kMappings + 1; ++handle) {
    mappings.Add(handle, NewMapping());
  }
  EXPECT_EQ(mappings.Find(1), nullptr);
  for (uint32_t handle = 2; handle <= UploadMappings::kMappings + 1; ++handle) {
    EXPECT_NE(mappings.Find(handle), nullptr);
  }
}

TEST(UploadMappingsTest, LargeOnesAreKeptUntilTheEnd) {
  UploadMappings mappings;
  for (uint32_t handle = 1; handle <= UploadMappings::kMappings; ++handle) {
    mappings.Add(handle, handle % 2 != 0
                             ? NewLargeMapping()
                             : NewMapping(UploadMappings::kMaxKept));
  }
  for (uint32_t handle = 1; handle <= UploadMappings::kMappings; ++handle) {
    EXPECT_NE(mappings.Find(handle), nullptr);
  }
  mappings.End();
  mappings.End();
  for (uint32_t handle = 1; handle <= UploadMappings::kMappings; ++handle) {
    EXPECT_EQ(mappings.Find(handle) == nullptr, handle % 2 != 0);
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
