#include "core/weights/torch_writer.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <memory>

#include "core/base/error.h"
#include "core/io/file.h"
#include "core/io/read_only_file.h"
#include "core/io/zip_file.h"
#include "core/weights/weights_file.h"
#include "tests/support/temporary_folder.h"

using namespace rtdetr;
using Catch::Matchers::Contains;
using rtdetr::test::TemporaryFolder;

namespace {

const std::vector<std::string> kBelow{"ema", "module"};

/// Tensors over bytes that count up from `first`.
class CountingTensors {
 public:
  void add(const std::string& name, TensorType type, std::vector<std::int64_t> shape) {
    std::size_t bytes = element_size(type);
    for (const std::int64_t size : shape) bytes *= static_cast<std::size_t>(size);
    auto& content = bytes_.emplace_back(std::make_unique<std::vector<std::byte>>(bytes));
    const std::size_t values = type == TensorType::kBool ? 2 : 256;
    for (std::size_t i = 0; i < bytes; ++i) (*content)[i] = static_cast<std::byte>((bytes_.size() + i) % values);
    views.push_back({name, type, std::move(shape), *content});
  }
  std::vector<TensorView> views;

 private:
  std::vector<std::unique_ptr<std::vector<std::byte>>> bytes_;
};

CountingTensors all_types() {
  CountingTensors tensors;
  int number = 0;
  for (const TensorType type :
       {TensorType::kBool, TensorType::kU8, TensorType::kI8, TensorType::kI16, TensorType::kI32, TensorType::kI64,
        TensorType::kF16, TensorType::kBF16, TensorType::kF32, TensorType::kF64})
    tensors.add("layers." + std::to_string(number++) + ".weight", type, {2, 3, 5});
  tensors.add("counter", TensorType::kI64, {});
  tensors.add("nothing", TensorType::kF32, {0, 4});
  tensors.add("columns", TensorType::kF32, {0, std::int64_t{1} << 40});
  return tensors;
}

}  // namespace

TEST_CASE("a file written for torch.load reads back as it was, of every type and shape") {
  const TemporaryFolder folder;
  const CountingTensors tensors = all_types();
  for (const std::vector<std::string>& below : {std::vector<std::string>{}, kBelow}) {
    write_torch_file(folder / "x.pth", below, tensors.views, {});
    const auto file = open_weights(folder / "x.pth");
    CHECK(file->format() == std::string("PyTorch"));
    REQUIRE(file->tensors().size() == tensors.views.size());
    for (std::size_t i = 0; i < tensors.views.size(); ++i) {
      const WeightTensor& found = file->tensors()[i];
      const TensorView& written = tensors.views[i];
      CHECK(found.name == (below.empty() ? "" : "ema.module.") + written.name);
      CHECK(found.type == written.type);
      CHECK(found.shape == written.shape);
      std::vector<std::byte> bytes(found.bytes);
      file->read(found, bytes);
      CHECK(std::equal(bytes.begin(), bytes.end(), written.data.begin(), written.data.end()));
    }
  }
}

TEST_CASE("storages of a written file begin at multiples of 64, and the same tensors give the same bytes") {
  const TemporaryFolder folder;
  const CountingTensors tensors = all_types();
  for (const char* name : {"a.pth", "b.pth"}) write_torch_file(folder / name, kBelow, tensors.views, {});
  CHECK(read_text_file(folder / "a.pth") == read_text_file(folder / "b.pth"));
  std::size_t storages = 0;
  const ReadOnlyFile file(folder / "a.pth");
  for (const ZipEntry& entry : read_zip_directory(file)) {
    if (entry.name.find("/data/") == std::string::npos) continue;
    CHECK(entry.offset % 64 == 0);
    ++storages;
  }
  CHECK(storages == tensors.views.size());
}

TEST_CASE("a changed bit in a written file is found by its sum, and tensors of another size are a fault of ours") {
  const TemporaryFolder folder;
  CountingTensors tensors = all_types();
  write_torch_file(folder / "x.pth", kBelow, tensors.views, {});
  std::string text = read_text_file(folder / "x.pth");
  const ReadOnlyFile file(folder / "x.pth");
  const auto entries = read_zip_directory(file);
  const auto storage = std::find_if(entries.begin(), entries.end(),
                                    [](const ZipEntry& entry) { return entry.name == "archive/data/3"; });
  REQUIRE(storage != entries.end());
  text[storage->offset] = static_cast<char>(text[storage->offset] ^ 1);
  write_text_atomically(folder / "damaged.pth", text);
  CHECK_THROWS_WITH(open_weights(folder / "damaged.pth"), Contains("does not match its sum"));

  tensors.views.front().shape = {7};
  CHECK_THROWS_AS(write_torch_file(folder / "y.pth", kBelow, tensors.views, {}), InternalError);
  CHECK_FALSE(std::filesystem::exists(folder / "y.pth"));
}

TEST_CASE("as many tensors are written as an archive has entries for, and one more is refused before it is written") {
  const TemporaryFolder folder;
  constexpr std::size_t kMostTensors = 65'531;  // with the pickle, the byte order and the version 65,534 entries
  const std::vector<std::byte> one(4);
  std::vector<TensorView> views;
  for (std::size_t i = 0; i < kMostTensors; ++i) views.push_back({std::to_string(i), TensorType::kF32, {}, one});
  write_torch_file(folder / "most.pth", {}, views, {});
  CHECK(read_zip_directory(ReadOnlyFile(folder / "most.pth")).size() == kMostTensors + 3);
  views.push_back({"more", TensorType::kF32, {}, one});
  CHECK_THROWS_AS(write_torch_file(folder / "more.pth", {}, views, {}), ConfigError);
  CHECK_THROWS_WITH(write_torch_file(folder / "more.pth", {}, views, {}),
                    Contains("more.pth: 65,532 tensors") && Contains("write safetensors instead"));
  CHECK_FALSE(std::filesystem::exists(folder / "more.pth"));
}

TEST_CASE("tensors of more than 4 GiB are refused before they are written") {
  const TemporaryFolder folder;
  constexpr std::int64_t kMebibyte = 1 << 20;
  const std::vector<std::byte> shared(kMebibyte);
  const std::vector<TensorView> views(4096, {"same", TensorType::kU8, {kMebibyte}, shared});
  CHECK_THROWS_WITH(write_torch_file(folder / "x.pth", {}, views, {}),
                    Contains("x.pth: tensors of 4,2") && Contains("holds 4,294,967,294 at most"));
  CHECK_FALSE(std::filesystem::exists(folder / "x.pth"));
}
