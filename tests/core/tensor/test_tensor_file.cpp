#include "core/tensor/tensor_file.h"

#include <cstring>
#include <fstream>

#include <torch/types.h>
#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "tests/support/temporary_folder.h"

namespace rtdetr {
namespace {

TEST_CASE("tensors of every type come back as they were, with the metadata") {
  const test::TemporaryFolder folder;
  TensorMap tensors;
  for (const auto type : {torch::kUInt8, torch::kInt8, torch::kInt16, torch::kInt32, torch::kInt64, torch::kFloat16,
                          torch::kBFloat16, torch::kFloat32, torch::kFloat64}) {
    tensors[torch::toString(type)] = (torch::arange(6).view({2, 3}) * 7).to(type);
  }
  tensors["bool"] = torch::tensor({true, false, true});
  tensors["special"] = torch::tensor({INFINITY, -INFINITY, NAN, -0.0f});
  save_tensors(folder / "t.safetensors", tensors, {{"who", "a test"}});

  const TensorFile file = load_tensors(folder / "t.safetensors");
  CHECK(file.metadata.at("who") == "a test");
  REQUIRE(file.tensors.size() == tensors.size());
  for (const auto& [name, tensor] : tensors) {
    const torch::Tensor& back = file.tensors.at(name);
    CHECK(back.scalar_type() == tensor.scalar_type());
    REQUIRE(back.sizes() == tensor.sizes());
    CHECK(std::memcmp(back.const_data_ptr(), tensor.const_data_ptr(), tensor.nbytes()) == 0);
  }
}

TEST_CASE("scalars, tensors without elements, views and parameters are stored as what they show") {
  const test::TemporaryFolder folder;
  const torch::Tensor base = torch::arange(12.0).view({3, 4});
  const TensorMap tensors{
      {"scalar", torch::tensor(7)},
      {"empty", torch::zeros({0, 4})},
      {"transposed", base.t()},
      {"every_other", base.slice(1, 0, 4, 2)},
      {"channels_last", torch::arange(24.0).view({1, 2, 3, 4}).to(torch::MemoryFormat::ChannelsLast)},
      {"parameter", torch::ones({2}, torch::requires_grad())}};
  save_tensors(folder / "t.safetensors", tensors, {});
  const TensorMap back = load_tensors(folder / "t.safetensors").tensors;
  REQUIRE(back.size() == tensors.size());
  for (const auto& [name, tensor] : tensors) {
    CHECK(torch::equal(back.at(name), tensor));
    CHECK(back.at(name).is_contiguous());
    CHECK_FALSE(back.at(name).requires_grad());
  }
}

TEST_CASE("a file without tensors is a file") {
  const test::TemporaryFolder folder;
  save_tensors(folder / "none.safetensors", {}, {{"k", "v"}});
  CHECK(load_tensors(folder / "none.safetensors").tensors.empty());
}

TEST_CASE("tensors of types the format does not know are refused before a file appears") {
  const test::TemporaryFolder folder;
  const TensorMap complex{{"c", torch::zeros({2}, torch::kComplexFloat)}};
  CHECK_THROWS_WITH(save_tensors(folder / "c.safetensors", complex, {}), Catch::Contains("ComplexFloat"));
  CHECK_THROWS_WITH(save_tensors(folder / "c.safetensors", {{"nothing", {}}}, {}), Catch::Contains("'nothing'"));
  CHECK_FALSE(std::filesystem::exists(folder / "c.safetensors"));
}

TEST_CASE("a damaged payload is refused") {
  const test::TemporaryFolder folder;
  const auto path = folder / "t.safetensors";
  save_tensors(path, {{"a", torch::ones({100})}}, {});
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-2, std::ios::end);
    file.put('!');
  }
  CHECK_THROWS_AS(load_tensors(path), CheckpointError);
  CHECK_THROWS_AS(load_tensors(folder / "absent.safetensors"), IoError);
}

TEST_CASE("damage anywhere in a tensor of several pieces is found while it is read") {
  const test::TemporaryFolder folder;
  const auto path = folder / "t.safetensors";
  const TensorMap tensors{{"a", torch::arange(200000, torch::kFloat32)}, {"b", torch::ones({3})}};
  save_tensors(path, tensors, {});
  CHECK(torch::equal(load_tensors(path).tensors.at("a"), tensors.at("a")));
  for (const int back : {700000, 300000, 1}) {
    save_tensors(path, tensors, {});
    {
      std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
      file.seekp(-back, std::ios::end);
      file.put('!');
    }
    CHECK_THROWS_WITH(load_tensors(path), Catch::Contains("damaged"));
  }
}

TEST_CASE(
    "a truth of a file that is neither 0 nor 1 is 1, and a tensor of no numbers and impossible sizes is refused") {
  const test::TemporaryFolder folder;
  const auto path = folder / "t.safetensors";
  const std::vector<std::uint8_t> bytes{0, 1, 2, 255};
  write_safetensors(path, std::vector{TensorView{"mask", TensorType::kBool, {4}, std::as_bytes(std::span(bytes))}}, {},
                    {});
  const auto raw = [](const torch::Tensor& truths) { return truths.view(torch::kUInt8).sum().item<int>(); };
  CHECK(raw(load_tensors(path).tensors.at("mask")) == 3);
  CHECK(raw(load_tensors(*open_weights(path)).at("mask")) == 3);
  write_safetensors(path, std::vector{TensorView{"none", TensorType::kF32, {0, 1ll << 62, 4}, {}}}, {}, {});
  CHECK_THROWS_AS(load_tensors(path), CheckpointError);
}

TEST_CASE("element types map to each other in both directions") {
  for (const auto type : {torch::kBool, torch::kUInt8, torch::kInt8, torch::kInt16, torch::kInt32, torch::kInt64,
                          torch::kFloat16, torch::kBFloat16, torch::kFloat32, torch::kFloat64}) {
    CHECK(to_scalar_type(to_tensor_type(type)) == type);
    CHECK(element_size(to_tensor_type(type)) == torch::elementSize(type));
  }
}

}  // namespace
}  // namespace rtdetr
