// tests/fixtures/INDEX.json says what each reference file is: its size, and of tensors type and shape.
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "core/io/safetensors.h"
#include "tests/support/fixtures.h"

namespace rtdetr::test {

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

json index() {
  std::ifstream stream(kFixtures / "INDEX.json");
  return json::parse(stream);
}

json tensors_of(const fs::path& file) {
  json tensors = json::object();
  const SafetensorsReader reader(file);
  for (const TensorEntry& entry : reader.entries()) tensors[entry.name] = {type_name(entry.type), entry.shape};
  return tensors;
}

/// Folders with a list of their own.
bool is_listed_elsewhere(const fs::path& name) {
  const std::string top = *name.begin();
  return top == "coco_eval" || top == "pictures" || name == "INDEX.json" || name == "README.md" ||
         name.extension() == ".py";
}

}  // namespace

TEST_CASE("the index of fixtures lists every reference file with its size and its tensors") {
  const json document = index();
  const json& files = document["files"];
  std::uintmax_t bytes = 0;
  for (const auto& [name, entry] : files.items()) {
    INFO(name);
    REQUIRE(fs::is_regular_file(kFixtures / name));
    CHECK(entry["bytes"] == fs::file_size(kFixtures / name));
    bytes += fs::file_size(kFixtures / name);
    if (entry.contains("tensors")) CHECK(entry["tensors"] == tensors_of(kFixtures / name));
  }
  CHECK(document["total_bytes"] == bytes);
  std::set<std::string> unlisted;
  for (const auto& entry : fs::recursive_directory_iterator(kFixtures)) {
    const fs::path name = fs::relative(entry.path(), kFixtures);
    if (entry.is_regular_file() && !is_listed_elsewhere(name) && !files.contains(name.string())) unlisted.insert(name);
  }
  CHECK(unlisted == std::set<std::string>{});
}

}  // namespace rtdetr::test
