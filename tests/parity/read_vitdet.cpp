// The plain vision transformer and its simple pyramid: blocks alone, the whole backbone, tables of positions, keys.
#include <torch/nn/module.h>
#include <torch/types.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <map>
#include <set>

#include "core/base/text.h"
#include "models/blocks/pyramid.h"
#include "models/blocks/vit.h"
#include "models/deploy/size.h"
#include "models/graph/model_files.h"
#include "models/layers/module_tree.h"
#include "models/layers/resized_table.h"
#include "models/weights/key_tables.h"
#include "tests/parity/fixture.h"
#include "tests/support/fill.h"

namespace rtdetr::test {
namespace {

/// What a part is computed in, and how far it may be from the reference in float64 (tests/fixtures/README.md §6;
/// float32: docs/parity.md).
struct VitNumbers {
  torch::ScalarType type = torch::kFloat64;
  double map = 1e-11, gradient = 1e-10, table = 1e-12;
  std::string name;  ///< before the names of what is compared
};
const VitNumbers kVitDouble, kVitSingle{torch::kFloat32, 3e-5, 1e-4, 1e-5, "float32 "};

Tensor centred_at(const std::string& key, const std::vector<std::int64_t>& shape) {
  return uniform_by_key(key, shape) * 2 - 1;
}

/// Every tensor by its key behind `prefix`.
void fill_below(const std::string& prefix, torch::nn::Module& module, torch::ScalarType type = torch::kFloat64) {
  const torch::NoGradGuard no_grad;
  module.to(type);
  for (auto& [key, tensor] : named_state(module)) tensor.copy_(value_by_key(prefix + key, tensor.sizes().vec()));
}

Tensor four_numbers(const Tensor& tensor) {
  const Tensor flat = tensor.reshape(-1).slice(0, 0, 4);
  return torch::constant_pad_nd(flat, {0, 4 - flat.size(0)});
}

/// Norms and first numbers of all parameters' gradients, in the file's order; some of them whole.
void check_all_gradients(const VitNumbers& in, const Fixture& fixture, const torch::nn::Module& module,
                         const nlohmann::json& names, const std::string& prefix) {
  const auto parameters = module.named_parameters();
  std::vector<Tensor> norms, firsts;
  for (const std::string name : names) {
    INFO(name);
    REQUIRE(parameters.contains(name));
    const Tensor gradient = parameters[name].grad();
    norms.push_back(gradient.norm());
    firsts.push_back(four_numbers(gradient));
    const auto whole = fixture.tensors.find(prefix + "grad." + name);
    if (whole != fixture.tensors.end()) check_relative(in.name + whole->first, gradient, whole->second, in.gradient);
  }
  CHECK(parameters.size() == norms.size());
  check_relative(in.name + prefix + "grad.norm", torch::stack(norms), fixture.tensor(prefix + "grad.norm"),
                 in.gradient);
  check_relative(in.name + prefix + "grad.first4", torch::stack(firsts), fixture.tensor(prefix + "grad.first4"),
                 in.gradient);
}

VitBlock block_of(const nlohmann::json& entry, const Fixture& fixture) {
  VitBlockOptions o{.dim = fixture.json["dim"], .heads = fixture.json["heads"]};
  o.hidden = 4 * o.dim;
  o.window = entry["window_size"];
  o.grid_height = entry["input_size"][0];
  o.grid_width = entry["input_size"][1];
  const std::set<std::string> names = entry["names"];
  o.relative_positions = names.contains("attn.rel_pos_h");
  o.residual = entry.value("use_residual_block", false);
  if (entry.contains("drop_path")) o.drop_path = entry["drop_path"]["rate"];
  return VitBlock(o);
}

/// What the file says was kept, as the factors that draws would give.
Tensor kept_factors(const nlohmann::json& drop) {
  std::vector<double> kept;
  for (const auto& branch : drop["kept"])
    for (const double picture : branch) kept.push_back(picture);
  return torch::tensor(kept, torch::kFloat64).view({2, -1}) / (1 - drop["rate"].get<double>());
}

void check_block_case(const VitNumbers& in, const Fixture& fixture, const std::string& name,
                      const nlohmann::json& entry) {
  VitBlock block = block_of(entry, fixture);
  std::set<std::pair<std::string, std::vector<std::int64_t>>> found, expected;
  for (const auto& [key, tensor] : named_state(*block)) found.emplace(key, tensor.sizes().vec());
  for (const auto& key : entry["keys"]) expected.emplace(key[0], key[1].get<std::vector<std::int64_t>>());
  CHECK(found == expected);
  fill_below("vitdet." + name + ".", *block, in.type);
  if (entry.contains("drop_path")) block->keep(kept_factors(entry["drop_path"]).to(in.type));
  const std::vector<std::int64_t> shape{2, entry["hw"][0], entry["hw"][1], fixture.json["dim"]};
  const Tensor x = centred_at("vitdet." + name + ".input", shape).to(in.type).set_requires_grad(true);
  const Tensor y = block(x);
  check_relative(in.name + name + ".output", y, fixture.tensor(name + ".output"), in.map);
  y.backward(centred_at("vitdet." + name + ".upstream", y.sizes().vec()).to(in.type));
  check_relative(in.name + name + ".grad_input", x.grad(), fixture.tensor(name + ".grad_input"), in.gradient);
  check_all_gradients(in, fixture, *block, entry["names"], name + ".");
  const torch::NoGradGuard no_grad;  // the tables that are kept then
  block->eval();
  if (entry.contains("drop_path")) return;
  for (int pass = 0; pass < 2; ++pass)
    check_relative(in.name + name + ".output again", block(x), fixture.tensor(name + ".output"), in.map);
}

/// The backbone of vitdet_forward_tiny, of rows as a model file has them: keys `net.…` and `simfp_<k>.…`.
struct TinyBackbone : torch::nn::Module {
  Vit net{nullptr};
  std::vector<PyramidLevel> levels;
  explicit TinyBackbone(const nlohmann::json& arguments) {
    VitOptions o;
    o.dim = arguments["embed_dim"], o.depth = arguments["depth"], o.heads = arguments["num_heads"];
    o.window = arguments["window_size"];
    const std::set<std::int64_t> windowed = arguments["window_block_indexes"];
    for (std::int64_t k = 0; k < o.depth; ++k)
      if (!windowed.contains(k)) o.global.push_back(k);
    o.grid = arguments["img_size"].get<std::int64_t>() / arguments["patch_size"].get<std::int64_t>();
    net = register_module("net", Vit(o));
    const std::map<double, PyramidScale> scales{
        {4, PyramidScale::kFourfold}, {2, PyramidScale::kDouble}, {1, PyramidScale::kSame}, {0.5, PyramidScale::kHalf}};
    int number = 2;
    for (const double scale : arguments["scale_factors"]) {
      levels.emplace_back(o.dim, arguments["out_channels"].get<std::int64_t>(), scales.at(scale));
      register_module("simfp_" + std::to_string(number++), levels.back());
    }
  }
  /// p2 … p5, and p6 of every second cell.
  std::vector<Tensor> maps(const Tensor& last) {
    std::vector<Tensor> all;
    for (PyramidLevel& level : levels) all.push_back(level->forward(last));
    all.push_back(torch::max_pool2d(all.back(), 1, 2));
    return all;
  }
};

/// vitdet_b_rtdetr with the transformer of another entry of the file.
DetectionModel detector_of(const nlohmann::json& entry) {
  const std::set<std::int64_t> windowed = entry["window_block_indexes"];
  const std::int64_t depth = entry["depth"];
  std::vector<std::string> global;
  for (std::int64_t k = 0; k < depth; ++k)
    if (!windowed.contains(k)) global.push_back(std::to_string(k));
  std::string text = load_model_spec("vitdet_b_rtdetr.yaml").text;
  const std::string written = "[768, 12, 12, {window: 14, global: [2, 5, 8, 11],";
  const std::size_t at = text.find(written);
  REQUIRE(at != std::string::npos);
  text.replace(at, written.size(),
               "[" + entry["embed_dim"].dump() + ", " + entry["depth"].dump() + ", " + entry["num_heads"].dump() +
                   ", {window: 14, global: [" + join(global, ", ") + "],");
  return build_model(parse_model_spec(text, "vit.yaml"), {.shapes_only = true});
}

/// Of one picture, net and three levels, as the reference's counter has them: with attention's own products, which ours
/// leaves out, and without those that gather and resize our tables of positions.
double backbone_multiply_adds(const nlohmann::json& entry, std::int64_t pixels) {
  const double side = static_cast<double>(pixels) / 16, cells = side * side, padded = std::ceil(side / 14) * 14;
  const double dim = entry["embed_dim"], depth = entry["depth"], head = dim / entry["num_heads"].get<double>();
  const double windows = static_cast<double>(entry["window_block_indexes"].size()), whole = depth - windows;
  const double attention = windows * 2 * padded * padded * (14 * 14) * dim + whole * 2 * cells * cells * dim;
  const double relative = windows * 2 * (14 * 14) * 27 * head + whole * 2 * cells * 127 * head;
  const double absolute = 14 * 14 * side * dim + side * side * 14 * dim;
  const DetectionModel model = detector_of(entry);
  return count_part_gflops(model, pixels, pixels).front() / 2 * 1e9 + attention - relative - absolute;
}

void check_probe(const Fixture& fixture, const std::string& name, const Tensor& map) {
  check_relative(name + ".mean", map.mean({1, 2, 3}), fixture.tensor(name + ".mean"), kVitDouble.map);
  check_relative(name + ".std", map.std({1, 2, 3}, /*unbiased=*/false), fixture.tensor(name + ".std"), kVitDouble.map);
  check_relative(name + ".corner", map.slice(1, 0, 8).slice(2, 0, 4).slice(3, 0, 4), fixture.tensor(name + ".corner"),
                 kVitDouble.map);
}

void check_level(const Fixture& fixture, const std::string& name, const Tensor& map) {
  CHECK(map.sizes().vec() == fixture.json["shapes"][name].get<std::vector<std::int64_t>>());
  check_probe(fixture, name, map);
  check_relative(name + ".sum", map.sum({2, 3}), fixture.tensor(name + ".sum"), kVitDouble.map);
  check_relative(name + ".abs_sum", map.abs().sum({2, 3}), fixture.tensor(name + ".abs_sum"), kVitDouble.map);
  check_relative(name + ".last_pixel", map.select(2, -1).select(2, -1), fixture.tensor(name + ".last_pixel"),
                 kVitDouble.map);
}

/// The transformer part by part.
void check_stages(const Fixture& fixture, VitImpl& net, const Tensor& images) {
  const torch::NoGradGuard no_grad;
  const auto parts = net.named_modules("", /*include_self=*/false);
  Tensor cells = cells_of(dynamic_cast<ConvolutionImpl&>(*parts["patch_embed.proj"]).forward(images));
  check_probe(fixture, "patch_embed", map_of(cells));
  cells = cells + PositionGrid{}.at_size(net.pos_embed, cells.size(1), cells.size(2));
  for (int k = 0; parts.contains("blocks." + std::to_string(k)); ++k) {
    const std::string name = std::to_string(k);
    cells = dynamic_cast<VitBlockImpl&>(*parts["blocks." + name]).forward(cells);
    check_probe(fixture, "block." + name, map_of(cells));
  }
}

std::string key_and_shape(const std::string& key, const std::vector<std::int64_t>& shape) {
  return key + c10::str(" ", at::IntArrayRef(shape));
}

std::set<std::string> keys_and_shapes(const torch::nn::Module& module) {
  std::set<std::string> entries;
  for (const auto& [key, tensor] : named_state(module)) entries.insert(key_and_shape(key, tensor.sizes().vec()));
  return entries;
}

std::set<std::string> keys_and_shapes(const nlohmann::json& list) {
  std::set<std::string> entries;
  for (const auto& entry : list) entries.insert(key_and_shape(entry[0], entry[1]));
  return entries;
}

}  // namespace

TEST_CASE("a vision transformer's block gives the reference's cells and gradients", "[vitdet_block]") {
  const Fixture fixture = load_fixture();
  for (const VitNumbers& in : {kVitDouble, kVitSingle})
    for (const auto& [name, entry] : fixture.json["cases"].items()) check_block_case(in, fixture, name, entry);
}

TEST_CASE("tables of relative positions are the reference's at every size", "[vitdet_block]") {
  const Fixture fixture = load_fixture();
  const Tensor table = fixture.tensor("rel_pos.in");
  for (const std::int64_t side : {9, 11, 16, 20}) {
    const std::string name = "rel_pos." + std::to_string(side) + "x" + std::to_string(side);
    const Tensor found = relative_places(side, table.size(0)).matmul(table).view({side, side, -1});
    check_absolute(name, found, fixture.tensor(name), kVitDouble.table);
  }
}

TEST_CASE("windows are cut as the reference does, and joined to the same map", "[vitdet_block]") {
  const Fixture fixture = load_fixture();
  const Tensor tokens = torch::arange(60, torch::kInt64).view({2, 5, 6, 1});
  const Windows windows = cut_windows(tokens, 4);
  check_equal("window_partition.4", windows.cells.squeeze(3), fixture.tensor("window_partition.4"));
  check_equal("joined", join_windows(windows, 5, 6), tokens);
}

TEST_CASE("a plain backbone with its pyramid gives the reference's maps and gradients", "[vitdet_forward]") {
  const Fixture fixture = load_fixture();
  TinyBackbone model(fixture.json["arguments"]);
  fill_below("", model);
  const Tensor images = images_by_key(fixture.json["input"]["key"], fixture.json["input"]["shape"]);
  check_stages(fixture, *model.net, images);
  const Tensor last = model.net->forward(images);
  const std::vector<Tensor> maps = model.maps(last);
  Tensor loss = torch::zeros({}, torch::kFloat64);
  for (std::size_t k = 0; k < maps.size(); ++k) {
    const std::string name = "p" + std::to_string(k + 2);
    check_level(fixture, name, maps[k]);
    loss = loss + (maps[k] * centred_at("vitdet.upstream." + name, maps[k].sizes().vec())).sum();
  }
  check_number("loss", loss.item<double>(), fixture.json["loss"]["value"], kVitDouble.map);
  loss.backward();
  check_all_gradients(kVitDouble, fixture, model, fixture.json["grad_names"], "");
}

TEST_CASE("a plain backbone in float32 stays within float32's rounding", "[vitdet_forward]") {
  const Fixture fixture = load_fixture();
  TinyBackbone model(fixture.json["arguments"]);
  fill_below("", model, torch::kFloat32);
  to_channels_last(model);
  const Tensor images = images_by_key(fixture.json["input"]["key"], fixture.json["input"]["shape"]).to(torch::kFloat32);
  const std::vector<Tensor> maps = model.maps(model.net->forward(images.contiguous(torch::MemoryFormat::ChannelsLast)));
  Tensor loss = torch::zeros({}, torch::kFloat32);
  for (std::size_t k = 0; k < maps.size(); ++k) {
    const std::string name = "p" + std::to_string(k + 2);
    check_absolute("float32 " + name, maps[k].select(2, -1).select(2, -1), fixture.tensor(name + ".last_pixel"),
                   kVitSingle.map);
    loss = loss + (maps[k] * centred_at("vitdet.upstream." + name, maps[k].sizes().vec()).to(torch::kFloat32)).sum();
  }
  loss.backward();
  check_all_gradients(kVitSingle, fixture, model, fixture.json["grad_names"], "");
}

TEST_CASE("tables of absolute positions are the reference's on every map", "[vitdet_pos_embed]") {
  const Fixture fixture = load_fixture();
  for (const VitNumbers& in : {kVitDouble, kVitSingle}) {
    const Tensor table = fixture.tensor("in.pos_embed").to(in.type, false, true).set_requires_grad(true);
    for (const auto& [name, expected] : fixture.tensors) {
      if (!name.starts_with("get_abs_pos.")) continue;
      const Tensor found = PositionGrid{}.at_size(table, expected.size(0), expected.size(1)).squeeze(0);
      check_absolute(in.name + name, found, expected, in.table);
    }
    const PositionGrid bare{.side = 3, .class_row = false};
    const Tensor without = bare.at_size(fixture.tensor("in.pos_embed_no_cls").to(in.type), 5, 4).squeeze(0);
    check_absolute(in.name + "without a class row", without, fixture.tensor("get_abs_pos_no_cls.5x4"), in.table);
    const Tensor wide = PositionGrid{}.at_size(table, 12, 20);
    (wide.squeeze(0) * centred_at("vitdet.pos_embed.upstream", {12, 20, 8}).to(in.type)).sum().backward();
    check_absolute(in.name + "grad_pos_embed.12x20", table.grad(), fixture.tensor("grad_pos_embed.12x20"), in.table);
  }
}

TEST_CASE("a plain backbone has the reference's keys, shapes and number of parameters", "[vitdet_state_dict]") {
  const Fixture fixture = load_fixture();
  nlohmann::json arguments{{"patch_size", 16}, {"scale_factors", {4, 2, 1, 0.5}}, {"out_channels", 256}};
  arguments.update(fixture.json["arguments"]);  // of B it names neither
  const ParameterBudget budget(/*counting_only=*/true);
  const TinyBackbone model(arguments);
  CHECK(keys_and_shapes(model) == keys_and_shapes(fixture.json["state_dict"]));
  check_none("parameters", std::abs(count_parameters(model) - fixture.json["parameters"].get<std::int64_t>()));
}

TEST_CASE("plain backbones of all sizes have the reference's number of parameters", "[vitdet_mae_keys]") {
  const Fixture fixture = load_fixture();
  for (const auto& [size, entry] : fixture.json["models"].items()) {
    nlohmann::json arguments = entry;
    arguments.update({{"patch_size", 16}, {"out_channels", 256}});
    const ParameterBudget budget(/*counting_only=*/true);
    for (const auto& [levels, scales] :
         std::map<std::string, std::vector<double>>{{"3", {2, 1, 0.5}}, {"4", {4, 2, 1, 0.5}}}) {
      arguments["scale_factors"] = scales;
      const auto pyramid = entry["parameters_pyramid_" + levels + "_levels"].get<std::int64_t>();
      check_none(
          "parameters of " + size + ", " + levels + " levels",
          std::abs(count_parameters(TinyBackbone(arguments)) - entry["parameters_net"].get<std::int64_t>() - pyramid));
    }
  }
}

TEST_CASE("plain backbones have the reference's operations", "[vitdet_mae_keys]") {
  const Fixture fixture = load_fixture();
  for (const char* size : {"b", "l"}) {
    const nlohmann::json& entry = fixture.json["models"][size];
    const nlohmann::json& large = entry["multiply_adds_1024"];
    const double levels = large["with_3_levels"].get<double>() - large["net"].get<double>();
    check_number(std::string("multiply-adds of ") + size + " at 1024", backbone_multiply_adds(entry, 1024),
                 large["with_3_levels"], 1e-12);
    check_number(std::string("multiply-adds of ") + size + " at 640",
                 backbone_multiply_adds(entry, 640) - levels * (640.0 * 640) / (1024 * 1024),
                 entry["multiply_adds_640"]["net"], 1e-12);
  }
}

TEST_CASE("MAE's names are the backbone's, with its shapes, and the rest of its files is dropped",
          "[vitdet_mae_keys]") {
  const Fixture fixture = load_fixture(), detector = load_fixture("vitdet_state_dict_b");
  const auto key_of = [](const std::string& theirs) {
    const auto key = our_key(plain_transformer_layout(), theirs);
    INFO(theirs);
    REQUIRE(key);
    return key->key;
  };
  std::set<std::string> taken, lacking;
  for (const auto& entry : fixture.json["base"]["encoder"]) {
    const std::string key = key_of(entry[0]);
    if (!key.empty()) taken.insert(key_and_shape(key, entry[1]));
  }
  for (const auto& entry : detector.json["state_dict"]) {
    const std::string ours = key_and_shape("backbone." + entry[0].get<std::string>(), entry[1]);
    if (!taken.erase(ours)) lacking.insert(entry[0]);
  }
  CHECK(taken == std::set<std::string>{});
  for (const std::string& key : lacking)
    CHECK((key.find(".rel_pos_") != std::string::npos || key.starts_with("simfp_")));
  check_none("taken", static_cast<std::int64_t>(fixture.json["base"]["encoder_entries"].get<std::size_t>() - 3 -
                                                (detector.json["state_dict"].size() - lacking.size())));
  for (const char* dropped :
       {"cls_token", "norm.weight", "norm.bias", "mask_token", "decoder_pred.weight", "decoder_blocks.0.attn.qkv.bias"})
    CHECK(key_of(dropped).empty());
}

}  // namespace rtdetr::test
