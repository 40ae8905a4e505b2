#include <utility>

#include "core/image/exif.h"
#include "core/image/picture.h"
#include "tests/fuzz/fuzz_target.h"

using namespace rtdetr;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  const int orientation = exif_orientation(bytes);  // never refuses
  fuzz::expect(orientation >= 1 && orientation <= 8);
  return fuzz::run([&] {
    const PictureLimits limits{.max_pixels = 1'000'000, .max_scans = 50};  // many small ones, not a few large ones
    Picture picture = decode_picture(bytes, "p", limits);
    const int width = picture.width, height = picture.height;
    fuzz::expect(width > 0 && height > 0);
    fuzz::expect(picture.rgb.size() == static_cast<std::size_t>(width) * height * 3);
    picture = turn_upright(std::move(picture), orientation);
    fuzz::expect(picture.width == (exif_swaps_sides(orientation) ? height : width));
  });
}
