#include <torch/types.h>

#include <catch2/catch.hpp>

#include "core/ops/ms_deform_attn.h"
#include "models/layers/deformable_attention.h"
#include "tests/parity/fixture.h"

namespace rtdetr::test {
namespace {

constexpr double kSamplingLimit = 1e-12;  // tests/fixtures/README.md §3

std::vector<LevelShape> levels_of(const nlohmann::json& entry) {
  std::vector<LevelShape> levels;
  for (const auto& shape : entry["shapes_hw"]) levels.push_back({shape[0], shape[1]});
  return levels;
}

Tensor leaf(const Tensor& tensor) { return tensor.clone().set_requires_grad(true); }

void check_operator(const Fixture& fixture, const std::string& name, const nlohmann::json& entry) {
  const auto part = [&](const std::string& tensor) { return fixture.tensor(name + "." + tensor); };
  const Tensor value = leaf(part("value")), locations = leaf(part("locations")), weights = leaf(part("weights"));
  const bool discrete = name.starts_with("discrete");
  const Tensor output = ms_deform_attn(value, levels_of(entry), entry["points_per_level"], locations, weights,
                                       discrete ? SamplingMethod::kDiscreteSquare : SamplingMethod::kBilinear);
  (output * part("upstream")).sum().backward();
  check_relative(name + ".output", output, part("output"), kSamplingLimit);
  check_relative(name + ".grad_value", value.grad(), part("grad_value"), kSamplingLimit);
  check_relative(name + ".grad_weights", weights.grad(), part("grad_weights"), kSamplingLimit);
  CHECK(locations.grad().defined() == entry["grad_locations"].get<bool>());
  if (locations.grad().defined())
    check_relative(name + ".grad_locations", locations.grad(), part("grad_locations"), kSamplingLimit);
}

void check_module(const Fixture& fixture, const nlohmann::json& entry) {
  const auto part = [&](const std::string& tensor) { return fixture.tensor("module." + tensor); };
  DeformableAttentionOptions options;
  options.dim = part("query").size(2);
  options.heads = fixture.json["heads"];
  options.points_scale_buffer = !entry["num_points_scale"].is_null();
  options.points = entry["points_per_level"].get<std::vector<std::int64_t>>();
  DeformableAttention module(options);
  module->to(torch::kFloat64);
  {
    const torch::NoGradGuard no_grad;
    for (auto& parameter : module->named_parameters()) parameter.value().copy_(part("param." + parameter.key()));
  }
  const Tensor query = leaf(part("query")), memory = leaf(part("memory"));
  const Tensor reference = leaf(part("reference").squeeze(2));
  const Tensor output = module(query, reference, memory, levels_of(entry));
  (output * part("upstream")).sum().backward();
  check_relative("module.output", output, part("output"), kSamplingLimit);
  check_relative("module.grad_query", query.grad(), part("grad_query"), kSamplingLimit);
  check_relative("module.grad_memory", memory.grad(), part("grad_memory"), kSamplingLimit);
  check_relative("module.grad_reference", reference.grad(), part("grad_reference").squeeze(2), kSamplingLimit);
  for (const auto& parameter : module->named_parameters())
    check_relative("grad." + parameter.key(), parameter.value().grad(), part("grad." + parameter.key()),
                   kSamplingLimit);
}

}  // namespace

TEST_CASE("deformable attention gives the reference's output and gradients", "[msda]") {
  const Fixture fixture = load_fixture();
  for (const auto& [name, entry] : fixture.json["cases"].items()) {
    if (name == "module") check_module(fixture, entry);
    if (name != "module") check_operator(fixture, name, entry);
  }
}

}  // namespace rtdetr::test
