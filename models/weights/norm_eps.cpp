#include "models/weights/norm_eps.h"

#include <algorithm>
#include <set>
#include <string_view>

#include <torch/nn/module.h>
#include <torch/types.h>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/io/utf8.h"
#include "models/layers/batch_norm.h"

namespace rtdetr {
namespace {

/// "model.28.…", not "model.decoder.…".
bool is_numbered(std::string_view name) {
  constexpr std::string_view kModel = "model.";
  if (!name.starts_with(kModel)) return false;
  const std::string_view number = name.substr(kModel.size(), name.find('.', kModel.size()) - kModel.size());
  return !number.empty() && number.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

double norm_eps_in(const WeightsFile& file, const std::string& prefix, const std::string& origin) {
  constexpr std::string_view kVariance = "running_var";
  double usual = kUsualNormEps;
  std::set<std::string> said;
  for (const WeightTensor& tensor : file.tensors()) {
    if (!tensor.name.starts_with(prefix)) continue;
    if (is_numbered(std::string_view(tensor.name).substr(prefix.size()))) usual = kUltralyticsNormEps;
    if (!tensor.name.ends_with(kVariance)) continue;
    const auto eps = file.metadata().find(tensor.name.substr(0, tensor.name.size() - kVariance.size()) + "eps");
    if (eps != file.metadata().end()) said.insert(eps->second);
  }
  if (said.size() > 1)
    throw CheckpointError(origin +
                          ": its norms have different values of eps, and those of a model of ours have one; set one "
                          "in the program that made the file, and save it again");
  if (said.empty()) return usual;
  const double eps = parse_double(*said.begin()).value_or(usual);
  if (!(eps > 0 && eps < 1))
    throw CheckpointError(origin + ": its norms have " + excerpt(*said.begin()) +
                          " for eps, which is no small number above 0");
  return eps;
}

std::int64_t rescale_norms(TensorMap& tensors, const torch::nn::Module& model, double file_eps) {
  const torch::NoGradGuard no_grad;
  std::int64_t rescaled = 0;
  for (const auto& item : model.named_modules()) {
    const auto* norm = dynamic_cast<const BatchNormImpl*>(item.value().get());
    const auto weight = tensors.find(item.key() + ".weight"), var = tensors.find(item.key() + ".running_var");
    if (norm == nullptr || norm->eps() == file_eps || weight == tensors.end() || var == tensors.end()) continue;
    if (weight->second.sizes() != var->second.sizes() || !weight->second.is_floating_point()) continue;
    const torch::Tensor exact = var->second.to(torch::kFloat64);
    const torch::Tensor factor = ((exact + norm->eps()) / (exact + file_eps)).sqrt();
    const auto type = weight->second.scalar_type() == torch::kFloat64 ? torch::kFloat64 : torch::kFloat32;
    weight->second = (weight->second.to(torch::kFloat64) * factor).to(type);
    ++rescaled;
  }
  return rescaled;
}

std::string words_for_rescaled(std::int64_t norms, double file_eps) {
  return counted(static_cast<long long>(norms), "norm") + (norms == 1 ? " is" : " are") + " scaled from eps " +
         format_double(file_eps) + " to the model's, which is exact";
}

}  // namespace rtdetr
