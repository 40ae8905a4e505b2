#pragma once

#include <string>

#include <torch/types.h>

namespace rtdetr {

/// Number type of the model's forward and backward pass; weights, losses and the optimizer stay float32.
enum class Precision { kFloat32, kBFloat16 };
const char* precision_name(Precision precision);  ///< "fp32", "bf16"

/// Autocast for as long as the object lives, on this thread. Losses and backward belong outside.
class AutocastScope {
 public:
  AutocastScope(Precision precision, torch::Device device);
  ~AutocastScope();
  AutocastScope(const AutocastScope&) = delete;
  AutocastScope& operator=(const AutocastScope&) = delete;

 private:
  bool active_;
  bool was_enabled_ = false;
  torch::DeviceType device_;
};

struct PrecisionChoice {
  Precision precision = Precision::kFloat32;
  std::string reason;  ///< one line for the log
};
/// What `amp=` means here: "off", "bf16", or "auto", which times a convolution forward and backward in both types and
/// takes bf16 where it is clearly faster (with AMX it is 4 times faster, without it up to 20 times slower). Takes
/// a few hundredths of a second.
PrecisionChoice choose_precision(const std::string& amp, torch::Device device);

}  // namespace rtdetr
