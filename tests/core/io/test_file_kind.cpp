#include "core/io/file_kind.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/io/file.h"
#include "core/io/safetensors.h"
#include "tests/support/data_files.h"
#include "tests/support/temporary_folder.h"

using namespace rtdetr;
using Catch::Contains;
using test::TemporaryFolder;
using std::string_literals::operator""s;

namespace {

struct Row {
  std::string name, bytes, says;
};

/// A zip archive's first entry: header, name, some content.
std::string zip(const std::string& name) {
  std::string head = "PK\3\4"s + std::string(22, '\0');
  head += static_cast<char>(name.size());
  return head + std::string(3, '\0') + name + "content";
}

}  // namespace

TEST_CASE("what is no model of ours is called by its content, whatever its name is") {
  const TemporaryFolder folder;
  const std::vector<Row> rows{
      {"a.safetensors", zip("best/data.pkl"), "a PyTorch checkpoint (a zip archive"},
      {"b.pt", "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."s, "PyTorch checkpoint in its old format"},
      {"c.safetensors", "\x80\x04\x95 pickled"s, "a Python pickle"},
      {"d.safetensors", zip("weights/"), "an archive"},
      {"e.safetensors", "\x08\x08\x12\x07pytorch\x1a\x05"s, "an ONNX model; ONNX Runtime reads it"},
      {"f.safetensors", "\x89HDF\r\n\x1a\n rest"s, "an HDF5 file"},
      {"g.safetensors", "\x1c\0\0\0TFL3 rest"s, "a TensorFlow Lite model"},
      {"h.safetensors", std::string(257, 'x') + "ustar rest", "an archive"},
      {"i.safetensors", "\n<!DOCTYPE HTML><html>", "a web page"},
      {"j.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"},
      {"k.safetensors", "", "empty"},
      {"l.safetensors", std::string(5000, '\0'), "nothing but zero bytes"},
      {"m.safetensors", "\xff\xd8\xff\xe0 picture"s, "a JPEG picture; it goes to source="},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    test::write_file(folder / row.name, row.bytes);
    CHECK_THAT(describe_foreign_model(folder / row.name), Contains(row.says));
    CHECK_THROWS_WITH(SafetensorsReader(folder / row.name), Contains(row.name) && Contains(row.says));
    CHECK_THROWS_AS(SafetensorsReader(folder / row.name), CheckpointError);
  }
}

TEST_CASE("unknown content is called by the file's name") {
  const TemporaryFolder folder;
  for (const char* name :
       {"a.PT", "a.pth", "a.onnx", "a.engine", "a.pkl", "a.zip", "a.tar", "a.ckpt", "a.h5", "a.tflite"}) {
    INFO(name);
    test::write_file(folder / name, "some bytes that nobody knows");
    CHECK_THAT(describe_foreign_model(folder / name), Contains("by its name "));
    CHECK_THROWS_WITH(SafetensorsReader(folder / name),
                      Contains("by its name ") && Contains(" are .safetensors files"));
  }
}

TEST_CASE("what is only called a PyTorch checkpoint is not said to be read") {
  const TemporaryFolder folder;
  test::write_file(folder / "a.pth", "some bytes that nobody knows");
  CHECK_THAT(describe_foreign_model(folder / "a.pth"),
             Contains("begins neither as an archive nor as a pickle") && !Contains("starts from it"));
}

TEST_CASE("text, and a safetensors file under any name, is not called anything else") {
  const TemporaryFolder folder;
  test::write_file(folder / "a.yaml", "nc: 3\nbackbone: []\n");
  CHECK(describe_foreign_model(folder / "a.yaml").empty());
  const float value = 1;
  const std::vector<TensorView> tensors{{"a", TensorType::kF32, {1}, std::as_bytes(std::span(&value, 1))}};
  write_safetensors(folder / "a.pt", tensors, {}, {});
  CHECK(SafetensorsReader(folder / "a.pt").entries().size() == 1);
}
