// Detects in one frame of pixels, as a camera gives them, and in a picture file; with find_package(rtdetr) and
// target_link_libraries(detect PRIVATE rtdetr::rtdetr).
//     detect best.safetensors photo.jpg
#include <rtdetr/detector.h>

#include <cstdio>
#include <exception>
#include <vector>

int main(int argc, char** argv) try {
  if (argc != 3) return std::fprintf(stderr, "usage: detect MODEL PICTURE\n"), 2;
  const rtdetr::Detector detector(argv[1], {.max_detections = 100, .device = "cpu"});

  for (const rtdetr::Detection& d : detector.detect_file(argv[2]))
    std::printf("%s %.2f  %.0f %.0f %.0f %.0f\n", detector.names()[static_cast<std::size_t>(d.label)].c_str(), d.score,
                d.x0, d.y0, d.x1, d.y1);

  const std::vector<std::uint8_t> frame(480 * 640 * 3 / 2, 128);
  const rtdetr::ImageView nv12{frame.data(), 640, 480, 0, rtdetr::PixelFormat::kNv12};
  std::printf("%zu in the frame\n", detector.detect(nv12).size());
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
