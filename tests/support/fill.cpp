#include "tests/support/fill.h"

#include <torch/nn/module.h>
#include <torch/types.h>

#include <cmath>
#include <set>

#include "models/layers/module_tree.h"

namespace rtdetr::test {

namespace {

std::uint64_t seed_of(const std::string& key) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const unsigned char byte : key) hash = (hash ^ byte) * 0x100000001b3;
  return hash;
}

double uniform_at(std::uint64_t seed, std::uint64_t index) {
  std::uint64_t z = seed + (index + 1) * 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  z ^= z >> 31;
  return static_cast<double>(z >> 40) / 16777216.0;
}

/// value_of(u) of every number of uniform_by_key(key, shape)
template <class Function>
torch::Tensor by_key(const std::string& key, const std::vector<std::int64_t>& shape, Function value_of) {
  torch::Tensor values = torch::empty(shape, torch::kFloat64);
  double* out = values.data_ptr<double>();
  const std::uint64_t seed = seed_of(key);
  for (std::int64_t i = 0; i < values.numel(); ++i) out[i] = value_of(uniform_at(seed, static_cast<std::uint64_t>(i)));
  return values;
}

/// Of a weight [out, …].
double fan_in_bound(const std::vector<std::int64_t>& shape) {
  return std::sqrt(3.0 * static_cast<double>(shape[0]) / static_cast<double>(c10::multiply_integers(shape)));
}

bool contains(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

/// One of DINO's names of its shared heads but the first, whose value counts.
bool is_further_name(const std::string& key) {
  if (key.starts_with("bbox_embed.") || key.starts_with("class_embed.")) return true;
  for (const std::string list : {"transformer.decoder.bbox_embed.", "transformer.decoder.class_embed."})
    if (key.starts_with(list)) return !key.starts_with(list + "0.");
  return false;
}

}  // namespace

torch::Tensor uniform_by_key(const std::string& key, const std::vector<std::int64_t>& shape) {
  return by_key(key, shape, [](double u) { return u; });
}

torch::Tensor value_by_key(const std::string& key, const std::vector<std::int64_t>& shape) {
  const std::string last = key.substr(key.rfind('.') + 1);
  static const std::set<std::string> kComputed = {"anchors",      "valid_mask", "num_points_scale",
                                                  "empty_weight", "up",         "reg_scale"};
  if (kComputed.contains(last)) return {};
  if (last == "num_batches_tracked") return torch::zeros(shape, torch::kFloat64);

  const auto filled = [&](auto value_of) { return by_key(key, shape, value_of); };
  const auto spread = [&](double bound) { return filled([=](double u) { return (2 * u - 1) * bound; }); };
  if (last == "rel_pos_h" || last == "rel_pos_w") return spread(0.5);
  if (last == "pos_embed") return spread(1);
  if (key.ends_with("dfl.conv.weight"))  // the bins themselves
    return torch::arange(c10::multiply_integers(shape), torch::kFloat64).view(shape);
  const bool ends_branch = contains(key, ".cv2.") || contains(key, ".cv3.");  // YOLOv8's
  if (ends_branch && key.ends_with(".2.weight")) return spread((contains(key, ".cv3.") ? 3 : 4) * fan_in_bound(shape));
  if (contains(key, ".cv3.") && key.ends_with(".2.bias")) return filled([](double u) { return (u - 0.5) * 0.5 - 5; });
  // DINO's (tests/fixtures/README.md §6).
  if (contains(key, "class_embed") && last == "bias") return filled([](double u) { return (u - 0.5) * 0.5 - 3; });
  if (key.ends_with("tgt_embed.weight") || key.ends_with("label_enc.weight") || last == "level_embed")
    return spread(std::sqrt(3.0));
  if (last == "running_var") return filled([](double u) { return 0.5 + u; });
  if (last == "running_mean") return filled([](double u) { return (u - 0.5) * 0.2; });
  if (key.ends_with("sampling_offsets.bias")) return spread(2);
  if (contains(key, "score_head") && last == "bias") return filled([](double u) { return (u - 0.5) * 0.5 - 3; });
  if (shape.size() == 1 && (last.ends_with("weight") || last == "scale")) {
    return filled([](double u) { return 0.75 + 0.5 * u; });
  }
  if (shape.size() == 1 && last.ends_with("bias")) return filled([](double u) { return (u - 0.5) * 0.1; });
  if (key.ends_with("denoising_class_embed.weight")) return spread(std::sqrt(3.0));
  const double bound = fan_in_bound(shape);
  const bool last_box_layer =
      (contains(key, "bbox_head") || contains(key, "bbox_embed")) && key.ends_with("layers.2.weight");
  return spread(last_box_layer ? 0.1 * bound : bound);
}

void fill_by_rule(torch::nn::Module& model) {
  const torch::NoGradGuard no_grad;
  for (auto& [key, tensor] : named_state(model)) {
    if (is_further_name(key)) continue;
    const torch::Tensor value = value_by_key(key, tensor.sizes().vec());
    if (value.defined()) tensor.copy_(value);
  }
}

void multiply_convolutions(torch::nn::Module& model, double gain) {
  const torch::NoGradGuard no_grad;
  for (auto& [key, tensor] : named_state(model)) {
    if (key.ends_with(".conv.weight") && !key.ends_with("dfl.conv.weight")) tensor.mul_(gain);
  }
}

torch::Tensor images_by_key(const std::string& key, const std::vector<std::int64_t>& shape) {
  const std::int64_t height = shape[2], width = shape[3];
  const torch::Tensor coarse =
      uniform_by_key(key + ".coarse", {shape[0], shape[1], (height + 15) / 16, (width + 15) / 16});
  const torch::Tensor fine = uniform_by_key(key + ".fine", shape);
  const torch::Tensor wide = coarse.repeat_interleave(16, 2).repeat_interleave(16, 3);
  return 0.75 * wide.narrow(2, 0, height).narrow(3, 0, width) + 0.25 * fine;
}

}  // namespace rtdetr::test
