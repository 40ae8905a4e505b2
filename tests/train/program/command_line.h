#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "core/io/file.h"
#include "core/io/safetensors.h"

/// The built program by a line as it is typed, in the repository's folder: what goes to stdout and stderr, and the exit
/// codes.
namespace rtdetr::test {

/// A folder of the test's own; gone with it.
struct Scratch {
  std::filesystem::path path = std::filesystem::temp_directory_path() / ("rtdetr-cli-" + std::to_string(::getpid()));
  Scratch() { std::filesystem::create_directories(path); }
  ~Scratch() { std::filesystem::remove_all(path); }
  std::string file(const std::string& name) const { return (path / name).string(); }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path / name) << text;
    return file(name);
  }
};

inline std::string read(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

struct Result {
  int code = -1;
  std::string out, err;
};

/// @param input   file that it finds as its standard input
/// @param folder  that it works in
inline Result run(const Scratch& scratch, const std::string& arguments, const std::string& input = "/dev/null",
                  const std::string& folder = RTDETR_SOURCE_DIR) {
  const std::string out = scratch.file("stdout"), err = scratch.file("stderr");
  const std::string line =
      "cd '" + folder + "' && '" RTDETR_PROGRAM "' " + arguments + " >'" + out + "' 2>'" + err + "' <'" + input + "'";
  const int status = std::system(line.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read(out), read(err)};
}

/// stdout is one JSON document and nothing else.
inline nlohmann::json document_of(const Result& result) {
  INFO(result.err);
  REQUIRE(result.code == 0);
  return nlohmann::json::parse(result.out);
}

/// A detector of a few thousand parameters, in the language of Ultralytics' YAMLs.
inline const char* const kTinyModel =
    "nc: 3\n"
    "backbone:\n"
    "  - [-1, 1, Conv, [8, 3, 2]]\n"
    "  - [-1, 1, Conv, [8, 3, 2]]\n"
    "  - [-1, 1, Conv, [16, 3, 2]]\n"
    "head:\n"
    "  - [-1, 1, Conv, [16, 3, 2]]\n"
    "  - [[2, 3], 1, RTDETRDecoder, [nc, 16, 10, 2, 2, 2, 32]]\n";

/// The tiny model's initial weights, fused, for pictures of 64 x 64. @return  the file
inline std::string exported_model(const Scratch& scratch) {
  const std::string yaml = scratch.write("tiny.yaml", kTinyModel), model = scratch.file("tiny.safetensors");
  document_of(run(scratch, "export format=safetensors imgsz=64 json=true model=" + yaml + " output=" + model));
  return model;
}

/// A copy of a safetensors file with one more entry in its metadata. @return  its name
inline std::string with_metadata(const std::string& file, const std::string& key, const std::string& value) {
  const SafetensorsReader reader(file);
  std::vector<std::vector<std::byte>> bytes;
  std::vector<TensorView> views;
  for (const TensorEntry& entry : reader.entries()) {
    bytes.emplace_back(entry.bytes);
    reader.read(entry, bytes.back());
    views.push_back({entry.name, entry.type, entry.shape, bytes.back()});
  }
  FileMetadata metadata = reader.metadata();
  metadata[key] = value;
  const std::string copy = file + "-" + key + ".safetensors";
  write_safetensors(copy, views, metadata, {});
  return copy;
}

/// Any picture of the bundled samples.
inline std::string sample_picture() {
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(std::filesystem::path(RTDETR_SOURCE_DIR) / "data/samples/bccd"))
    if (entry.path().extension() == ".jpg") return entry.path().string();
  return "";
}

}  // namespace rtdetr::test
