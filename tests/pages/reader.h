#pragma once

// What the C++ programs of the pages leave to their reader: a picture in memory, a queue of them, a use for boxes.
#include <atomic>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <rtdetr/detector.h>

inline constexpr int width = 64, height = 48, bytes_per_row = 3 * width;
inline const std::vector<std::uint8_t> grey(std::size_t{bytes_per_row} * height, std::uint8_t{128});
inline const std::uint8_t* const pixels = grey.data();

struct Frame {
  rtdetr::RgbView view() const { return {pixels, width, height, bytes_per_row}; }
};

inline struct {
  std::atomic<int> left{4};
  std::optional<Frame> pop() { return left-- > 0 ? std::optional(Frame{}) : std::nullopt; }
} queue;

inline std::vector<std::uint8_t> received(const std::string& name) {
  std::ifstream file(name, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
inline void draw(float, float, float, float, const std::string&) {}
inline void handle(const std::vector<rtdetr::Detection>&) {}
