#include "train/loop/epoch_losses.h"

#include <algorithm>
#include <cmath>

#include <torch/types.h>

#include "core/base/error.h"
#include "core/base/text.h"

namespace rtdetr {
namespace {

constexpr std::size_t kMostTerms = 256;

}  // namespace

EpochLosses::EpochLosses() : sums_(torch::zeros({static_cast<std::int64_t>(kMostTerms)}, torch::kFloat64)) {}

void EpochLosses::add(const StepReport& report) {
  double* sums = sums_.data_ptr<double>();
  sums[0] += report.loss;
  for (const auto& [name, value] : report.terms) sums[place_of(name)] += value;
  ++steps_;
}

/// A step without boxes may have fewer terms than others, even as the first one.
std::size_t EpochLosses::place_of(const std::string& name) {
  const auto found = std::ranges::find(names_, name);
  if (found != names_.end()) return static_cast<std::size_t>(found - names_.begin()) + 1;
  if (names_.size() + 1 >= kMostTerms)
    throw ConfigError("this model has more than " + std::to_string(kMostTerms - 1) +
                      " loss terms, which is all that a run records: its decoder has too many layers");
  names_.push_back(name);
  return names_.size();
}

void EpochLosses::clear() {
  sums_.zero_();
  steps_ = 0;
}

std::vector<std::pair<std::string, double>> EpochLosses::means() const {
  const double* sums = sums_.const_data_ptr<double>();
  const auto mean = [&](std::size_t i) { return steps_ > 0 ? sums[i] / static_cast<double>(steps_) : std::nan(""); };
  std::vector<std::pair<std::string, double>> means{{"loss", mean(0)}};
  for (std::size_t i = 0; i < names_.size(); ++i) means.emplace_back(names_[i], mean(i + 1));
  return means;
}

void EpochLosses::register_state(StateRegistry& registry) {
  registry.add("run.loss_sums", sums_);
  registry.add("run.loss_steps", &steps_);
}

std::string EpochLosses::names() const { return join(names_, ","); }

void EpochLosses::set_names(const std::string& names) {
  if (!names.empty()) names_ = split(names, ',');
}

}  // namespace rtdetr
