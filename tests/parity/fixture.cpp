#include "tests/parity/fixture.h"

#include <torch/types.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <regex>

#include "models/graph/model_files.h"
#include "tests/support/devices.h"
#include "tests/support/fill.h"
#include "tests/support/fixtures.h"

namespace rtdetr::test {

namespace {

std::string current_stem() {
  const char* stem = std::getenv("RTDETR_FIXTURE");
  if (!stem)
    FAIL("RTDETR_FIXTURE must name a file of tests/fixtures, e.g. forward_v1_r18vd; or, for [zoo], a model file");
  return stem;
}

void report(const std::string& what, double error, double limit) {
  std::printf("%-36s %-28s %9.2e of %.0e\n", current_stem().c_str(), what.c_str(), error, limit);
  CHECK(error <= limit);
}

/// In float64; infinities must stand at the same places.
torch::Tensor differences(const torch::Tensor& actual, const torch::Tensor& expected) {
  REQUIRE(actual.sizes().vec() == expected.sizes().vec());
  const torch::Tensor a = actual.detach().to(torch::kFloat64), e = expected.to(torch::kFloat64);
  return torch::where(a == e, torch::zeros_like(a), (a - e).abs());
}

double largest_difference(const torch::Tensor& actual, const torch::Tensor& expected) {
  const torch::Tensor all = differences(actual, expected);
  return all.numel() == 0 ? 0 : all.max().item<double>();
}

}  // namespace

const torch::Tensor& Fixture::tensor(const std::string& name) const {
  const auto found = tensors.find(name);
  if (found == tensors.end()) FAIL(stem + " has no tensor " + name);
  return found->second;
}

Fixture load_fixture() { return load_fixture(current_stem()); }

Fixture load_fixture(const std::string& stem) {
  const std::filesystem::path folder = kFixtures;
  Fixture fixture;
  fixture.stem = stem;
  std::ifstream json(folder / (stem + ".json"));
  REQUIRE(json);
  fixture.json = nlohmann::json::parse(json);
  const std::filesystem::path tensors = folder / (stem + ".safetensors");
  if (std::filesystem::exists(tensors)) fixture.tensors = load_tensors(tensors).tensors;
  return fixture;
}

std::string model_of(const Fixture& fixture) {
  static const std::regex kKind("^(dfine|deim_v2|deim)_(?:forward|train|trajectory)_"), kPadded("_padded$");
  const std::string name = fixture.json["name"];
  return std::regex_replace(std::regex_replace(name, kPadded, ""), kKind, "$1_");
}

std::string origin_of(const std::string& fixture_model) {
  if (fixture_model.starts_with("deim_v2_")) return "deimv2";
  return fixture_model.substr(0, fixture_model.find('_'));
}

std::string model_file_of(const std::string& fixture_model) {
  static const std::regex kForm("(deim_v2|[^_]+)_(.*?)(_\\d+x\\d+)?");  // origin, model, input size
  std::smatch match;
  REQUIRE(std::regex_match(fixture_model, match, kForm));
  const std::string origin = origin_of(fixture_model), rest = match[2];
  if (origin == "v1") return "rtdetr_" + rest + ".yaml";
  if (origin == "v2") return "rtdetrv2_" + rest + ".yaml";
  if (origin == "dino") return "dino_" + rest + ".yaml";
  if (origin == "dfine" || origin == "deim") return origin + "-" + rest + ".yaml";
  if (origin == "deimv2") return "deimv2-" + rest + ".yaml";
  return rest + ".yaml";
}

ModelSpec spec_of(const std::string& fixture_model, const std::string& decoder_options) {
  ModelSpec spec = load_model_spec(model_file_of(fixture_model));
  if (origin_of(fixture_model) == "dino") {  // its fixtures' pictures are those that the backbone reads
    static const std::regex kNormalisation("\n(mean|std):[^\n]*");
    return parse_model_spec(std::regex_replace(spec.text, kNormalisation, ""), spec.origin);
  }
  if (decoder_options.empty()) return spec;
  const std::string origin = origin_of(fixture_model);
  const bool own = origin == "dfine" || origin == "deimv2";
  const std::string known = "{variant: " + (own ? origin : std::string(origin == "deim" ? "dfine" : "v1"));
  const std::size_t place = spec.text.find(known);
  REQUIRE(place != std::string::npos);
  std::string text = spec.text;
  text.insert(place + known.size(), ", " + decoder_options);
  return parse_model_spec(text, spec.origin);
}

bool samples_discretely(const std::string& model) { return model.find("_dsp") != std::string::npos; }

DetectionModel build_fixture_model(const std::string& fixture_model, torch::Dtype type) {
  BuildOptions options;
  options.initial_weights = false;
  DetectionModel model = build_model(spec_of(fixture_model), options);
  model->to(type);
  fill_by_rule(*model);
  model->eval();
  return model;
}

torch::Device fixture_device() {
  const torch::Device device = test_device();
  at::globalContext().setAllowTF32CuDNN(false);  // convolutions have it by default, products of matrices do not
  return device;
}

std::vector<torch::Tensor> on_cpu(std::vector<torch::Tensor> tensors) {
  for (torch::Tensor& tensor : tensors) tensor = tensor.cpu();
  return tensors;
}

ModelOutput on_cpu(ModelOutput output) {
  const auto bring = [](Prediction& prediction) {
    prediction.logits = prediction.logits.cpu();
    prediction.boxes_cxcywh = prediction.boxes_cxcywh.cpu();
  };
  for (Prediction& layer : output.layers) bring(layer);
  for (Prediction& layer : output.denoising) bring(layer);
  bring(output.encoder);
  output.topk_indices = output.topk_indices.cpu();
  return output;
}

torch::Tensor rows_of_tokens(const torch::Tensor& actual, const torch::Tensor& expected) {
  const auto [tokens, order] = actual.sort(1);
  const auto [expected_tokens, expected_order] = expected.sort(1);
  check_equal("selected tokens as a set", tokens, expected_tokens);
  return torch::empty_like(order).scatter_(1, expected_order, order);
}

torch::Tensor aligned(const torch::Tensor& values, const torch::Tensor& rows, std::int64_t count) {
  return values.gather(1, rows.slice(1, 0, count).unsqueeze(2).expand({-1, -1, values.size(2)}));
}

void check_absolute(const std::string& what, const torch::Tensor& actual, const torch::Tensor& expected, double limit) {
  report(what, largest_difference(actual, expected), limit);
}

void check_relative(const std::string& what, const torch::Tensor& actual, const torch::Tensor& expected, double limit) {
  const double scale = expected.numel() ? expected.to(torch::kFloat64).abs().max().item<double>() : 1;
  report(what, largest_difference(actual, expected) / (scale > 0 ? scale : 1), limit);
}

void check_rows(const std::string& what, const torch::Tensor& actual, const torch::Tensor& expected, double limit,
                bool discrete) {
  if (!discrete) return check_absolute(what, actual, expected, limit);
  constexpr double kWorstRow = 1e-2;
  const torch::Tensor rows = std::get<0>(differences(actual, expected).amax(-1).reshape(-1).sort());  // best first
  const std::int64_t others = rows.size(0) / 100;
  report(what + " in 99 % of the rows", rows[rows.size(0) - others - 1].item<double>(), limit);
  report(what + " in the worst row", rows[-1].item<double>(), kWorstRow);
}

void check_number(const std::string& what, double actual, double expected, double relative_limit) {
  const double scale = expected != 0 ? std::abs(expected) : 1;
  report(what, std::isfinite(actual) ? std::abs(actual - expected) / scale : HUGE_VAL, relative_limit);
}

void check_equal(const std::string& what, const torch::Tensor& actual, const torch::Tensor& expected) {
  REQUIRE(actual.sizes().vec() == expected.sizes().vec());
  check_none(what, (actual.to(torch::kInt64) != expected.to(torch::kInt64)).sum().item<std::int64_t>());
}

void check_none(const std::string& what, std::int64_t differences) {
  report(what, static_cast<double>(differences), 0);
}

}  // namespace rtdetr::test
