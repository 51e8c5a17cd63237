// A suite of pictures: what the GPU made is compared with what it should have
// made, one line a picture, and can be written to a folder.

#ifndef NACRE_GUEST_PROGRAMS_PICTURES_SUITE_H_
#define NACRE_GUEST_PROGRAMS_PICTURES_SUITE_H_

#include <cstdint>
#include <string>

#include "guest/programs/pictures/image.h"

namespace nacre::guest {

// How a pixel is shown to people.
using Shade = Rgba8 (*)(const uint8_t* pixel);
Rgba8 ShadeRgba8(const uint8_t* pixel);
Rgba8 ShadeBgra8(const uint8_t* pixel);
// One byte, one number of 16 bits, one of 24 (in 32), one of 32: as grey, of
// its highest eight bits.
Rgba8 ShadeR8(const uint8_t* pixel);
Rgba8 ShadeR16(const uint8_t* pixel);
Rgba8 ShadeX8D24(const uint8_t* pixel);
Rgba8 ShadeR32(const uint8_t* pixel);
Rgba8 ShadeRg8(const uint8_t* pixel);
Rgba8 ShadeR5G6B5(const uint8_t* pixel);
// Red in the lowest bits.
Rgba8 ShadeA2B10G10R10(const uint8_t* pixel);
// The higher byte of each of four numbers of 16 bits, the highest of 32.
Rgba8 ShadeRgba16(const uint8_t* pixel);
Rgba8 ShadeRgba32(const uint8_t* pixel);
// Floats from 0 to 1; one as grey.
Rgba8 ShadeR32f(const uint8_t* pixel);
Rgba8 ShadeRgba32f(const uint8_t* pixel);
// Halves in which 0 to 1 is shown.
Rgba8 ShadeRgba16f(const uint8_t* pixel);

class Suite {
 public:
  // Takes the flag --out=DIR; any other argument ends the program. `program`
  // begins the last line and the names of the files.
  Suite(const char* program, int argc, char** argv);

  Suite(const Suite&) = delete;
  Suite& operator=(const Suite&) = delete;

  // One picture. Each byte may be off by `tolerance`, which is 0 but where the
  // specifications leave the result open: with linear filtering, whose weights
  // have a precision that the GPU chooses. Writes DIR/PROGRAM-NAME.pam, as it
  // is shown, and DIR/PROGRAM-NAME.bytes, all that was compared.
  void Check(const std::string& name, const Image& found, const Image& wanted,
             Shade shade = ShadeRgba8, int tolerance = 0);
  // What is not a picture.
  void CheckFact(const std::string& name, bool good, const std::string& found);

  // Prints `PROGRAM: ok pictures=N` and returns 0, or `PROGRAM: FAIL: N of M
  // pictures are wrong` and returns 1.
  int Finish() const;

 private:
  void Write(const std::string& name, const Image& image, Shade shade) const;
  void Report(const std::string& name, const std::string& wrong);

  const std::string program_;
  std::string out_;
  uint32_t checked_ = 0;
  uint32_t wrong_ = 0;
};

}  // namespace nacre::guest

#endif  // NACRE_GUEST_PROGRAMS_PICTURES_SUITE_H_
