#include "train/commands/sample_picture.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "core/base/random.h"
#include "core/image/picture.h"
#include "core/io/file.h"

namespace rtdetr {

namespace {

Picture smooth_colours_with_grain(int width, int height) {
  Random random(0, RandomPurpose::kAugmentation, 0, 0);
  Picture picture(width, height);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < 3; ++c) {
        const double wave = std::sin(0.03 * x + 2 * c) * std::cos(0.05 * y - c);
        const double value = 128 + 80 * wave + random.uniform(-12, 12);
        picture.row(y)[3 * x + c] = static_cast<std::uint8_t>(std::clamp(value, 0.0, 255.0));
      }
  return picture;
}

}  // namespace

std::vector<std::byte> sample_picture_bytes() {
  const auto file = std::filesystem::temp_directory_path() / ("rtdetr-sample-" + std::to_string(::getpid()) + ".jpg");
  write_picture(file, smooth_colours_with_grain(640, 480));
  std::vector<std::byte> bytes = read_binary_file(file);
  std::filesystem::remove(file);
  return bytes;
}

}  // namespace rtdetr
