// Writes the hostile files of weights: make_hostile_weights FOLDER
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "tests/support/hostile/hostile_weights.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
    return 2;
  }
  for (const auto& file : rtdetr::test::hostile_weights()) {
    std::ofstream stream(std::filesystem::path(argv[1]) / (file.name + ".pth"), std::ios::binary);
    stream.write(file.bytes.data(), static_cast<std::streamsize>(file.bytes.size()));
    if (!stream.flush()) return 1;
  }
  return 0;
}
