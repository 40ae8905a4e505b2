#include "models/weights/pretrained.h"

#include <torch/torch.h>
#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "models/layers/module_tree.h"
#include "models/weights/checkpoint.h"
#include "tests/models/tiny_model.h"
#include "tests/support/captured_stderr.h"
#include "tests/support/temporary_folder.h"

namespace rtdetr {

using test::stderr_of;
using test::TemporaryFolder;
using test::tiny_model;

namespace {

const std::vector<std::string> kClasses{"a", "b", "c"};

TensorMap state_of(const DetectionModel& model) {
  TensorMap tensors;
  for (const auto& [name, tensor] : named_state(*model)) tensors.emplace(name, tensor);
  return tensors;
}

ModelInfo info_with_names() {
  ModelInfo info;
  info.names = kClasses;
  info.category_ids = {1, 2, 3};
  return info;
}

}  // namespace

TEST_CASE("tensors of another program under our keys are taken over whole, in half precision too") {
  const TemporaryFolder folder;
  const std::string file = folder / "foreign.safetensors";
  DetectionModel source = tiny_model(1), target = tiny_model(2);
  for (const FileMetadata& metadata : {FileMetadata{}, FileMetadata{{"format", "pt"}}}) {
    TensorMap tensors = state_of(source);
    for (auto& [name, tensor] : tensors) {
      if (metadata.empty() && tensor.is_floating_point()) tensor = tensor.to(torch::kFloat16);
    }
    save_tensors(file, tensors, metadata);
    const std::string said = stderr_of([&] { take_weights(*target, kClasses, file); });
    const std::string all = std::to_string(tensors.size());
    CHECK_THAT(said, Catch::Contains(all + " of the model's " + all + " entries taken over; it names no classes"));
    for (const auto& [name, tensor] : named_state(*target)) {
      INFO(name);
      CHECK(torch::equal(tensor, tensors.at(name).to(tensor.scalar_type())));
    }
  }
}

TEST_CASE("an exported file is refused as a beginning: fusion is not undone") {
  const TemporaryFolder folder;
  DetectionModel fused = tiny_model();
  fused->fuse();
  save_model(folder / "fused.safetensors", fused, info_with_names());
  DetectionModel target = tiny_model();
  CHECK_THROWS_WITH(take_weights(*target, kClasses, folder / "fused.safetensors"),
                    Catch::Contains("fused.safetensors: an exported file") &&
                        Catch::Contains("take the checkpoint that it was exported from"));
  CHECK_THROWS_AS(take_weights(*target, kClasses, folder / "fused.safetensors"), CheckpointError);
}

TEST_CASE("weights that leave more than a tenth of the model untrained are a warning with the parts") {
  const TemporaryFolder folder;
  TensorMap tensors = state_of(tiny_model(1));
  const auto all = static_cast<std::int64_t>(tensors.size());
  const auto backbone = std::erase_if(tensors, [](const auto& item) { return item.first.starts_with("decoder."); });
  save_tensors(folder / "half.safetensors", tensors, {});
  DetectionModel target = tiny_model(2);
  const std::string said = stderr_of([&] { take_weights(*target, kClasses, folder / "half.safetensors"); });
  CHECK_THAT(
      said, Catch::Contains("only " + std::to_string(all - static_cast<std::int64_t>(backbone)) + " of the model's ") &&
                Catch::Contains("begin untrained: decoder."));
  save_tensors(folder / "all.safetensors", state_of(tiny_model(1)), {});
  CHECK_THAT(stderr_of([&] { take_weights(*target, kClasses, folder / "all.safetensors"); }),
             !Catch::Contains("untrained"));
}

TEST_CASE("score heads follow the classes by name, and a file of which nothing fits is refused") {
  const TemporaryFolder folder;
  DetectionModel source = tiny_model(1), target = tiny_model(2);
  const std::string table = "decoder.denoising_class_embed.weight";  // its fourth row stands for padding
  {
    const torch::NoGradGuard no_grad;
    state_of(source).at(table)[3].fill_(0.5);  // it begins at zero
  }
  save_model(folder / "best.safetensors", source, info_with_names());
  take_weights(*target, {"C ", "new", "a"}, folder / "best.safetensors");
  const TensorMap from = state_of(source), to = state_of(target);
  const std::string head = "decoder.enc_score_head.weight";
  CHECK(torch::equal(to.at(head)[0], from.at(head)[2]));
  CHECK_FALSE(torch::equal(to.at(head)[1], from.at(head)[1]));
  CHECK(torch::equal(to.at(head)[2], from.at(head)[0]));
  CHECK(torch::equal(to.at(table)[2], from.at(table)[0]));
  CHECK(torch::equal(to.at(table)[3], from.at(table)[3]));
  save_tensors(folder / "other.safetensors", {{"conv.weight", torch::ones({1})}}, {});
  CHECK_THROWS_WITH(take_weights(*target, kClasses, folder / "other.safetensors"), Catch::Contains("no entry fits"));
}

}  // namespace rtdetr
