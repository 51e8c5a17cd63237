#include "base/testing/holdings.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

namespace nacre {
namespace {

size_t CountEntries(const std::string& directory) {
  return std::distance(std::filesystem::directory_iterator(directory),
                       std::filesystem::directory_iterator());
}

size_t CountThreads(const std::string& process) {
  return CountEntries(process + "/task");
}

}  // namespace

Holdings Holdings::Now(std::initializer_list<const char*> words,
                       const std::string& process) {
  Holdings held = {CountEntries(process + "/fd"), CountThreads(process), 0};
  std::ifstream maps(process + "/maps");
  for (std::string line; std::getline(maps, line);) {
    held.mappings +=
        std::any_of(words.begin(), words.end(), [&line](const char* word) {
          return line.find(word) != std::string::npos;
        });
  }
  return held;
}

void Holdings::WaitForThreads(size_t most, int looks,
                              const std::string& process) {
  for (int look = 0; look < looks && threads > most; ++look) {
    std::this_thread::yield();
    threads = CountThreads(process);
  }
}

}  // namespace nacre
