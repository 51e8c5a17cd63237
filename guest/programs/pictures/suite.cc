#include "guest/programs/pictures/suite.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "guest/programs/report.h"

namespace nacre::guest {
namespace {

std::string Hex(const uint8_t* bytes, size_t count) {
  std::string hex;
  for (size_t i = 0; i < count; ++i) {
    char digits[4];
    std::snprintf(digits, sizeof(digits), "%02x", bytes[i]);
    hex += digits;
  }
  return hex;
}

// The first pixel that is wrong and how many are, or nothing.
std::string FindWrong(const Image& found, const Image& wanted, int tolerance) {
  const size_t size = found.bytes_per_pixel();
  if (found.width() != wanted.width() || found.height() != wanted.height() ||
      size != wanted.bytes_per_pixel()) {
    return "it has another size";
  }
  std::string first;
  uint32_t count = 0;
  for (uint32_t y = 0; y < found.height(); ++y) {
    for (uint32_t x = 0; x < found.width(); ++x) {
      bool wrong = false;
      for (size_t i = 0; i < size; ++i) {
        wrong |= std::abs(found.at(x, y)[i] - wanted.at(x, y)[i]) > tolerance;
      }
      if (!wrong) continue;
      if (count++ == 0) {
        first = "pixel (" + std::to_string(x) + ", " + std::to_string(y) +
                ") is " + Hex(found.at(x, y), size) + ", should be " +
                Hex(wanted.at(x, y), size);
      }
    }
  }
  if (count == 0) return "";
  return first + "; " + std::to_string(count) + " are wrong";
}

void WriteFile(const std::string& path, const std::string& head,
               const std::vector<uint8_t>& bytes) {
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (file == nullptr ||
      std::fwrite(head.data(), 1, head.size(), file) != head.size() ||
      std::fwrite(bytes.data(), 1, bytes.size(), file) != bytes.size() ||
      std::fclose(file) != 0) {
    Fail("cannot write %s", path.c_str());
  }
}

}  // namespace

Suite::Suite(const char* program, int argc, char** argv) : program_(program) {
  constexpr char kOut[] = "--out=";
  for (int i = 1; i < argc; ++i) {
    if (std::strncmp(argv[i], kOut, std::strlen(kOut)) != 0) {
      std::fprintf(stderr, "usage: %s [--out=DIR]\n", argv[0]);
      std::exit(2);
    }
    out_ = argv[i] + std::strlen(kOut);
  }
}

void Suite::Check(const std::string& name, const Image& found,
                  const Image& wanted, Shade shade, int tolerance) {
  if (!out_.empty()) Write(name, found, shade);
  Report(name, FindWrong(found, wanted, tolerance));
}

void Suite::CheckFact(const std::string& name, bool good,
                      const std::string& found) {
  Report(name, good ? "" : found);
}

int Suite::Finish() const {
  if (wrong_ == 0) {
    std::printf("%s: ok pictures=%u\n", program_.c_str(), checked_);
    return 0;
  }
  std::printf("%s: FAIL: %u of %u pictures are wrong\n", program_.c_str(),
              wrong_, checked_);
  return 1;
}

void Suite::Write(const std::string& name, const Image& image,
                  Shade shade) const {
  const std::string path = out_ + "/" + program_ + "-" + name;
  WriteFile(path + ".bytes", "", image.bytes());
  std::vector<uint8_t> shown;
  for (uint32_t y = 0; y < image.height(); ++y) {
    for (uint32_t x = 0; x < image.width(); ++x) {
      const Rgba8 pixel = shade(image.at(x, y));
      shown.insert(shown.end(), pixel.begin(), pixel.end());
    }
  }
  WriteFile(path + ".pam",
            "P7\nWIDTH " + std::to_string(image.width()) + "\nHEIGHT " +
                std::to_string(image.height()) +
                "\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n",
            shown);
}

void Suite::Report(const std::string& name, const std::string& wrong) {
  ++checked_;
  if (wrong.empty()) {
    std::printf("PASS %s %s\n", program_.c_str(), name.c_str());
  } else {
    ++wrong_;
    std::printf("FAIL %s %s: %s\n", program_.c_str(), name.c_str(),
                wrong.c_str());
  }
  std::fflush(stdout);
}

}  // namespace nacre::guest
