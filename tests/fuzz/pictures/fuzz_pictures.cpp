#include "core/io/picture.h"
#include "tests/fuzz/fuzz_target.h"

using namespace rtdetr;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return fuzz::run([&] {
    const PictureLimits limits{.max_pixels = 1'000'000, .max_scans = 50};  // many small ones, not a few large ones
    const Picture picture = decode_picture(std::as_bytes(std::span(data, size)), "p", limits);
    fuzz::expect(picture.width > 0 && picture.height > 0);
    fuzz::expect(picture.rgb.size() == static_cast<std::size_t>(picture.width) * picture.height * 3);
  });
}
