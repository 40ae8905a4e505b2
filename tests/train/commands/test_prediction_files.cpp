#include "train/commands/prediction_files.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/temporary_folder.h"

using namespace rtdetr;

namespace {

/// The folder of each class's crops.
std::vector<std::string> folders_of(const std::vector<std::string>& names) {
  const test::TemporaryFolder folder;
  PictureDetections found;
  for (int label = 0; label < static_cast<int>(names.size()); ++label) found.push_back({0, 0, 9, 9, 0.5F, label});
  std::vector<std::string> folders;
  CropNames crops;
  for (const auto& file : crops.names_for(folder / "", "picture", found, names)) {
    CHECK(std::filesystem::is_directory(file.parent_path()));
    folders.push_back(file.parent_path().filename().string());
  }
  return folders;
}

}  // namespace

TEST_CASE("crops lie in a folder with their class's name, as far as a folder can have it") {
  CHECK(folders_of({"cat", "a/b", "..", ""}) == std::vector<std::string>{"cat", "a_b", "_..", "_"});
}

TEST_CASE("a class's name that is too long for a folder is cut between characters, and stays its own") {
  std::string longest = "x", umlauts;
  while (longest.size() < 255) longest += "\xC3\xA4";
  umlauts = longest + "\xC3\xA4";
  const std::string cut = longest.substr(0, 253);
  CHECK(folders_of({longest, umlauts, umlauts + "b"}) == std::vector<std::string>{longest, cut + "-1", cut + "-2"});
}
