// What a GPU's process says that it has done, as the VMM shows it: whatever the
// bytes are, every text in it, in fields that are yet to come too, is short and
// in one line.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "glog/logging.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "google/protobuf/unknown_field_set.h"
#include "nacre/foreign_summary.h"
#include "proto/vm_summary.pb.h"

namespace nacre {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

void CheckText(const std::string& text) {
  CHECK_LE(text.size(), 256u);
  for (const char c : text) CHECK(absl::ascii_isprint(c));
}

// Entries of maps are messages, too.
void Check(const Message& message) {
  const Reflection& reflection = *message.GetReflection();
  CHECK(reflection.GetUnknownFields(message).empty());
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* const field : fields) {
    const int size =
        field->is_repeated() ? reflection.FieldSize(message, field) : 0;
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING:
        if (!field->is_repeated()) {
          CheckText(reflection.GetString(message, field));
        }
        for (int i = 0; i < size; ++i) {
          CheckText(reflection.GetRepeatedString(message, field, i));
        }
        break;
      case FieldDescriptor::CPPTYPE_MESSAGE:
        if (!field->is_repeated()) {
          Check(reflection.GetMessage(message, field));
        }
        for (int i = 0; i < size; ++i) {
          Check(reflection.GetRepeatedMessage(message, field, i));
        }
        break;
      default:
        break;
    }
  }
}

}  // namespace
}  // namespace nacre

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const nacre::GpuSummary summary = nacre::ParseForeignSummary(
      std::string(reinterpret_cast<const char*>(data), size));
  CHECK(!summary.has_device());
  CHECK(!summary.has_failure());
  nacre::Check(summary);
  return 0;
}
