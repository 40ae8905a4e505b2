#include "models/weights/pretrained.h"

#include <torch/types.h>
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

TEST_CASE("whole numbers are no weights: an entry that was quantised is left out, and said") {
  const TemporaryFolder folder;
  const std::string file = folder / "quantised.safetensors", key = "model.0.conv.weight";
  DetectionModel target = tiny_model(2);
  TensorMap tensors = state_of(tiny_model(1));
  tensors.at(key) = tensors.at(key).mul(100).to(torch::kInt8);
  save_tensors(file, tensors, {});
  const torch::Tensor before = state_of(target).at(key).clone();
  TransferReport report;
  stderr_of([&] { report = take_weights(*target, kClasses, file); });
  CHECK(report.count(TransferredEntry::Fate::kMisfit) == 1);
  CHECK(state_of(target).at(key).equal(before));
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
                Catch::Contains("begin untrained: decoder ") && Catch::Contains("score heads (8)"));
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

TEST_CASE("weights of a model that saw pictures normalised otherwise are taken with a warning") {
  const TemporaryFolder folder;
  const auto model_of = [](const std::string& normalisation) {
    return build_model(parse_model_spec(normalisation + test::kTinyModel, "tiny.yaml"), {});
  };
  const std::string imagenet = "mean: [0.485, 0.456, 0.406]\nstd: [0.229, 0.224, 0.225]\n",
                    file = folder / "w.safetensors";
  save_model(file, model_of(imagenet), info_with_names());
  DetectionModel plain = model_of(""), same = model_of(imagenet);
  CHECK_THAT(
      stderr_of([&] { take_weights(*plain, kClasses, file); }),
      Catch::Contains("normalises pictures by mean 0.485, 0.456, 0.406 and deviation 0.229, 0.224, 0.225, and this one "
                      "by mean 0 and deviation 1"));
  CHECK_THAT(stderr_of([&] { take_weights(*same, kClasses, file); }), !Catch::Contains("normalises"));
}

namespace {

using Fate = TransferredEntry::Fate;

DetectionModel tiny_with(const std::string& from, const std::string& to, std::uint64_t seed, std::int64_t classes = 3) {
  std::string text = test::kTinyModel;
  text.replace(text.find(from), from.size(), to);
  BuildOptions options;
  options.seed = seed;
  options.num_classes = classes;
  return build_model(parse_model_spec(text, "tiny.yaml"), options);
}

Fate fate_of(const TransferReport& report, const std::string& key) {
  for (const TransferredEntry& entry : report.entries)
    if (entry.key == key) return entry.fate;
  FAIL("no entry " << key);
  return {};
}

}  // namespace

TEST_CASE("every score head and the denoising table follow the classes by name, with padding on either side or none") {
  const std::string table = "decoder.denoising_class_embed.weight";
  const std::vector<std::string> few{"c", "x"};
  for (const bool padded : {true, false}) {
    DetectionModel source = tiny_model(1), target = tiny_with("nc: 3", "nc: 2", 2, 2);
    TensorMap weights = state_of(source);
    if (!padded) weights[table] = weights.at(table).slice(0, 0, 3);
    const torch::Tensor padding = state_of(target).at(table)[2].clone();
    const TransferReport report = transfer_weights(*target, few, weights, kClasses);
    CHECK(report.classes == 1);
    CHECK(report.count(Fate::kByClass) == 9);  // weight and bias of the encoder's head and of three layers, the table
    CHECK(report.count(Fate::kMisfit) == 0);
    const TensorMap to = state_of(target);
    for (const auto& [key, tensor] : to) {
      if (fate_of(report, key) != Fate::kByClass) continue;
      INFO(key);
      CHECK(tensor[0].equal(weights.at(key)[2]));
    }
    CHECK(to.at(table)[2].equal(padded ? weights.at(table)[3] : padding));
  }
}

TEST_CASE("the scores of a YOLO head follow the classes by name") {
  const std::string yaml =
      "nc: 3\nbackbone:\n  - [-1, 1, Conv, [8, 3, 2]]\n  - [-1, 1, Conv, [8, 3, 2]]\nhead:\n"
      "  - [[0, 1], 1, Detect, [nc]]\n";
  const auto model_of = [&](std::uint64_t seed) {
    BuildOptions options;
    options.seed = seed;
    return build_model(parse_model_spec(yaml, "yolo.yaml"), options);
  };
  DetectionModel source = model_of(1), target = model_of(2);
  const TensorMap from = state_of(source);
  const TransferReport report = transfer_weights(*target, {"c", "a", "b"}, from, kClasses);
  CHECK(report.count(Fate::kByClass) == 4);  // weight and bias of two maps
  for (const auto& [key, tensor] : state_of(target)) {
    if (fate_of(report, key) != Fate::kByClass) continue;
    INFO(key);
    CHECK(tensor[0].equal(from.at(key)[2]));
    CHECK(tensor[1].equal(from.at(key)[0]));
  }
}

TEST_CASE("the denoising table loses or gets its row of padding between models of equal classes") {
  const std::string table = "decoder.denoising_class_embed.weight";
  DetectionModel source = tiny_model(1), target = tiny_model(2);
  TensorMap weights = state_of(source);
  weights[table] = weights.at(table).slice(0, 0, 3);
  const torch::Tensor padding = state_of(target).at(table)[3].clone();
  const TransferReport report = transfer_weights(*target, kClasses, weights, kClasses);
  CHECK(fate_of(report, table) == Fate::kByClass);
  CHECK(state_of(target).at(table).slice(0, 0, 3).equal(weights.at(table)));
  CHECK(state_of(target).at(table)[3].equal(padding));
}

TEST_CASE("without a class in common score heads and denoising table keep their initial values, and count so") {
  DetectionModel source = tiny_model(1), target = tiny_model(2);
  TensorMap before = state_of(target);
  for (auto& [key, tensor] : before) tensor = tensor.clone();
  const TransferReport report = transfer_weights(*target, {"x", "y", "z"}, state_of(source), kClasses);
  CHECK(report.classes == 0);
  CHECK(report.count(Fate::kNoClass) == 9);
  CHECK(report.count(Fate::kByClass) == 0);
  CHECK(report.taken() == report.of_model() - 9);
  for (const auto& [key, tensor] : state_of(target)) {
    if (fate_of(report, key) != Fate::kNoClass) continue;
    INFO(key);
    CHECK(tensor.equal(before.at(key)));
  }
}

TEST_CASE("classes without names are taken in their order, the denoising table with padding on either side or none") {
  const std::string table = "decoder.denoising_class_embed.weight";
  DetectionModel source = tiny_model(1), target = tiny_model(2);
  TensorMap weights = state_of(source);
  weights[table] = weights.at(table).slice(0, 0, 3);
  const torch::Tensor padding = state_of(target).at(table)[3].clone();
  TransferReport report = transfer_weights(*target, kClasses, weights, {});
  CHECK(fate_of(report, table) == Fate::kFirstRows);
  CHECK(report.taken() == report.of_model());
  CHECK(state_of(target).at(table).slice(0, 0, 3).equal(weights.at(table)));
  CHECK(state_of(target).at(table)[3].equal(padding));
  weights[table] = torch::ones({5, weights.at(table).size(1)});  // of four classes, or of five
  report = transfer_weights(*target, kClasses, weights, {});
  CHECK(fate_of(report, table) == Fate::kMisfit);
}

TEST_CASE("of learnt queries of another number the first are taken, and the selected ones have no weights") {
  const std::string queries = "decoder.tgt_embed.weight";
  for (const auto& [from, to] : {std::pair("10", "6"), std::pair("6", "10")}) {
    const auto learnt = [](const std::string& count) { return "queries: " + count + ", learnt_queries: true"; };
    DetectionModel source = tiny_with("queries: 10", learnt(from), 1), target = tiny_with("queries: 10", learnt(to), 2);
    const torch::Tensor before = state_of(target).at(queries).clone();
    const TransferReport report = transfer_weights(*target, kClasses, state_of(source), kClasses);
    CHECK(fate_of(report, queries) == Fate::kFirstRows);
    CHECK(report.taken() == report.of_model());
    const torch::Tensor now = state_of(target).at(queries);
    CHECK(now.slice(0, 0, 6).equal(state_of(source).at(queries).slice(0, 0, 6)));
    CHECK(now.slice(0, 6).equal(before.slice(0, 6)));
  }
  const std::string boxes = "decoder.refpoint_embed.weight";
  const auto learnt = [](const char* count) { return std::string("queries: ") + count + ", two_stage: false"; };
  DetectionModel many = tiny_with("queries: 10", learnt("10"), 1), few = tiny_with("queries: 10", learnt("6"), 2);
  CHECK(fate_of(transfer_weights(*few, kClasses, state_of(many), kClasses), boxes) == Fate::kFirstRows);
  CHECK(state_of(few).at(boxes).equal(state_of(many).at(boxes).slice(0, 0, 6)));

  DetectionModel source = tiny_model(1), target = tiny_with("queries: 10", "queries: 7", 2);
  const TransferReport report = transfer_weights(*target, kClasses, state_of(source), kClasses);
  CHECK(report.count(Fate::kWhole) == report.of_model());
}

TEST_CASE("constants of distributions are compared and keep the model's values") {
  DetectionModel target = tiny_with("variant: v2", "variant: dfine", 1);
  TensorMap weights = state_of(tiny_with("variant: v2", "variant: dfine", 2));
  const std::string key = "decoder.reg_scale";
  weights[key] = torch::full({1}, 4.0F);  // another type, the same number
  TransferReport report = transfer_weights(*target, kClasses, weights, kClasses);
  CHECK(report.taken() == report.of_model());
  weights[key] = torch::full({1}, 4.5F);
  report = transfer_weights(*target, kClasses, weights, kClasses);
  CHECK(fate_of(report, key) == Fate::kMisfit);
  CHECK(report.count(Fate::kMisfit) == 1);
  CHECK(state_of(target).at(key).item<double>() == 4);
}

TEST_CASE("another decoder depth takes the layers that both have, and knows how many the file has") {
  DetectionModel three = tiny_model(1), two = tiny_with("layers: 3", "layers: 2", 2);
  TransferReport report = transfer_weights(*two, kClasses, state_of(three), kClasses);
  CHECK(report.file_layers == 3);
  CHECK(report.taken() == report.of_model());
  CHECK(fate_of(report, "decoder.decoder.layers.2.norm1.weight") == Fate::kUnused);
  CHECK(fate_of(report, "decoder.dec_score_head.2.weight") == Fate::kUnused);
  three = tiny_model(3);
  report = transfer_weights(*three, kClasses, state_of(two), kClasses);
  CHECK(report.file_layers == 2);
  CHECK(fate_of(report, "decoder.decoder.layers.2.norm1.weight") == Fate::kMissing);
}

TEST_CASE("a name in a file with a layer that no model has says nothing about the decoder's depth") {
  DetectionModel source = tiny_model(1), target = tiny_model(2);
  TensorMap weights = state_of(source);
  for (const std::string number : {"9223372036854775807", "99999999999999999999", "1000", "-7", "", "x"})
    weights.emplace("decoder.layers." + number + ".norm1.weight", torch::ones({1}));
  CHECK(transfer_weights(*target, kClasses, weights, kClasses).file_layers == 3);
}

TEST_CASE("a part alone is taken over when it is asked for, without a warning about the others") {
  const TemporaryFolder folder;
  save_model(folder / "best.safetensors", tiny_model(1), info_with_names());
  DetectionModel target = tiny_model(2);
  const TensorMap source = state_of(tiny_model(1)), before = [&] {
    TensorMap copies = state_of(target);
    for (auto& [key, tensor] : copies) tensor = tensor.clone();
    return copies;
  }();
  const std::string said =
      stderr_of([&] { take_weights(*target, kClasses, folder / "best.safetensors", WeightsParts::kBackbone); });
  CHECK_THAT(said, Catch::Contains(": 18 of the model's ") && !Catch::Contains("untrained"));
  std::size_t of_backbone = 0;
  for (const auto& [key, tensor] : state_of(target)) {
    INFO(key);
    CHECK(tensor.equal(key.starts_with("model.") ? source.at(key) : before.at(key)));
    of_backbone += key.starts_with("model.") ? 1 : 0;
  }
  CHECK(of_backbone == 18);  // three convolutions with their norms
}

}  // namespace rtdetr
