#include "core/weights/hugging_face.h"

#include <catch2/catch.hpp>
#include <cstring>

#include "core/base/error.h"
#include "core/io/file.h"
#include "core/weights/flat_json.h"
#include "core/weights/weights_file.h"
#include "tests/support/fixtures.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/torch_files.h"

using namespace rtdetr;
using namespace rtdetr::test;
using Catch::Matchers::Contains;

namespace {

const std::filesystem::path kInterop = kFixtures / "interop";

void write_one(const std::filesystem::path& file, const std::string& name, float value) {
  const std::vector<TensorView> tensors{{name, TensorType::kF32, {1}, std::as_bytes(std::span(&value, 1))}};
  write_safetensors(file, tensors, {}, {});
}

/// A small file whose one tensor, the same number again and again, takes `bytes` when it is laid out.
void write_expanded(const std::filesystem::path& file, const std::string& name, std::int64_t bytes) {
  const std::string size = tuple({integer(bytes / 4)}), stride = tuple({integer(0)});
  write_text_atomically(file, file_of(dictionary({text(name), tensor(storage(), 0, size, stride)})));
}

float value_in(const WeightsFile& file, const std::string& name) {
  const WeightTensor* tensor = file.find(name);
  REQUIRE(tensor);
  float value = 0;
  file.read(*tensor, std::as_writable_bytes(std::span(&value, 1)));
  return value;
}

/// A model's folder in two shards.
struct Sharded : TemporaryFolder {
  Sharded() {
    write_one(*this / "one.safetensors", "a.weight", 1);
    write_one(*this / "two.safetensors", "b.weight", 2);
    write_index(
        R"({"metadata": {"total_size": 8}, "weight_map": {"a.weight": "one.safetensors", "b.weight": "two.safetensors"}})");
  }
  void write_index(const std::string& text) { write_text_atomically(index(), text); }
  std::filesystem::path index() const { return *this / "model.safetensors.index.json"; }
};

}  // namespace

TEST_CASE("a Hugging Face model is its folder, with what lies beside the weights") {
  const auto model = open_weights(kInterop / "hf_v1_basic");
  CHECK(model->tensors().size() > 100);
  CHECK(model->metadata().at("config.id2label.0") == "class a");
  CHECK(model->metadata().at("config.backbone_config.depths.3") == "1");
  CHECK(model->metadata().at("preprocessor_config.do_normalize") == "false");
  CHECK_FALSE(model->metadata().contains("config.eval_size"));
  CHECK(open_weights(kInterop / "hf_v1_basic/model.safetensors")->metadata() == model->metadata());
}

TEST_CASE("a folder may have PyTorch's file instead, and a folder with neither is refused") {
  const TemporaryFolder folder;
  CHECK_THROWS_WITH(open_weights(folder.path()), Contains("a folder without model.safetensors or pytorch_model.bin"));
  write_one(folder / "best.safetensors", "a", 1);
  CHECK_THROWS_WITH(open_weights(folder.path()), Contains("it is a run's, whose weights are"));
  std::filesystem::copy_file(kInterop / "official_v1_basic_legacy.pth", folder / "pytorch_model.bin");
  CHECK(open_weights(folder.path())->format() == std::string("PyTorch"));
}

TEST_CASE("shards are opened by their index, or by the folder it is in") {
  const Sharded folder;
  for (const auto& path : {folder.index(), folder.path()}) {
    const auto model = open_weights(path);
    CHECK(model->format() == std::string("safetensors"));
    CHECK(model->tensors().size() == 2);
    CHECK(value_in(*model, "a.weight") == 1);
    CHECK(value_in(*model, "b.weight") == 2);
    CHECK(model->find("c") == nullptr);
  }
}

TEST_CASE("a shard is a regular file of the index' own folder, whatever the index says") {
  Sharded folder;
  std::filesystem::create_directory(folder / "inner");
  write_one(folder / "inner/one.safetensors", "a.weight", 1);
  for (const std::string name : {"../one.safetensors", "/etc/passwd", "..", ".", "", "inner/one.safetensors",
                                 "inner\\\\one.safetensors", "one.safetensors\\u0000"}) {
    INFO(name);
    folder.write_index(R"({"weight_map": {"a.weight": ")" + name + "\"}}");
    CHECK_THROWS_WITH(open_weights(folder.index()), Contains("not a name in its own folder"));
  }
  for (const std::string name : {"inner", "nothing.safetensors"}) {
    INFO(name);
    folder.write_index(R"({"weight_map": {"a.weight": ")" + name + "\"}}");
    CHECK_THROWS_WITH(open_weights(folder.index()), Contains("no such file beside it"));
  }
}

TEST_CASE("what the shards of an index take together is bounded as what one file takes") {
  const TemporaryFolder folder;
  std::string map;
  for (int shard = 0; shard < 3; ++shard) {
    const std::string name = "bomb" + std::to_string(shard), file = name + ".bin";
    write_expanded(folder / file, name, 100 << 20);
    CHECK(open_weights(folder / file)->tensors().size() == 1);
    map += (map.empty() ? "\"" : ", \"") + name + "\": \"" + file + "\"";
  }
  write_text_atomically(folder / "pytorch_model.bin.index.json", "{\"weight_map\": {" + map + "}}");
  CHECK_THROWS_WITH(open_weights(folder / "pytorch_model.bin.index.json"),
                    Contains("bomb1.bin, laid out, take more than twice these files and 128 MiB"));
}

TEST_CASE("an index that is none, or says what is not so, is refused as a bad file") {
  Sharded folder;
  const std::string deep(200, '['), twice = R"({"weight_map": {"a": "one.safetensors", "a": "two.safetensors"}})";
  const std::vector<std::pair<std::string, std::string>> mistakes = {
      {"", "index.json"},
      {"{}", "has no weight_map"},
      {R"({"weight_map": []})", "has no weight_map"},
      {R"({"weight_map": {"a.weight": 7}})", "no such file beside it"},
      {R"({"weight_map": {"c.weight": "one.safetensors"}})", "'c.weight' is in one.safetensors, but it is not there"},
      {R"({"weight_map": {"a.weight": "model.safetensors.index.json"}})", "index.json"},
      {R"({"weight_map": {"a.weight": )" + deep, "line 1"},
      {twice, "is there twice"},
      {R"({"weight_map": {"a.weight": "one.safetensors"}} x)", "line 1"},
  };
  for (const auto& [text, said] : mistakes) {
    INFO(text);
    folder.write_index(text);
    CHECK_THROWS_AS(open_weights(folder.index()), CheckpointError);
    CHECK_THROWS_WITH(open_weights(folder.index()), Contains(said));
  }
}

TEST_CASE("a damaged or boundless config.json is refused with its place") {
  const TemporaryFolder folder;
  write_one(folder / "model.safetensors", "a.weight", 1);
  write_text_atomically(folder / "config.json", "{\"id2label\": {\"0\": \"cat\",\n \"1\" \"dog\"}}");
  CHECK_THROWS_AS(open_weights(folder.path()), CheckpointError);
  CHECK_THROWS_WITH(open_weights(folder.path()), Contains("config.json: line 2"));
  write_text_atomically(folder / "config.json", "{\"id2label\": {\"0\": \"\xff\"}}");
  CHECK_THROWS_WITH(open_weights(folder.path()), Contains("not in UTF-8"));
  write_text_atomically(folder / "config.json", std::string((std::size_t{8} << 20) + 1, ' '));
  CHECK_THROWS_WITH(open_weights(folder.path()), Contains("larger than the 8 MiB"));
  std::string nested = "{\"" + std::string(1 << 20, 'n') + "\": [0";
  for (int i = 0; i < 100; ++i) nested += ",0";
  write_text_atomically(folder / "config.json", nested + "]}");
  CHECK_THROWS_WITH(open_weights(folder.path()), Contains("too many long names"));
  write_one(folder / "other.safetensors", "a.weight", 1);
  CHECK(open_weights(folder / "other.safetensors")->tensors().size() == 1);  // not called as theirs: nobody's config
}

TEST_CASE("JSON is flat by its paths") {
  const TemporaryFolder folder;
  write_text_atomically(folder / "a.json", R"({"a": {"b": [1, 2.5e3, true, null, "x"]}, "c": {}, "d": "\u00e9"})");
  CHECK(flat_json(folder / "a.json") ==
        FileMetadata{{"a.b.0", "1"}, {"a.b.1", "2.5e3"}, {"a.b.2", "true"}, {"a.b.4", "x"}, {"d", "é"}});
}

TEST_CASE("PaddlePaddle's parameters are named, with where the same weights are") {
  const TemporaryFolder folder;
  write_text_atomically(folder / "ResNet50_vd.pdparams", "\x80\x02}q");
  CHECK_THROWS_AS(open_weights(folder / "ResNet50_vd.pdparams"), CheckpointError);
  CHECK_THROWS_WITH(open_weights(folder / "ResNet50_vd.pdparams"),
                    Contains("PaddlePaddle's parameters") && Contains("_from_paddle.pth"));
}
