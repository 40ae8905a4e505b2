#pragma once

#include <string>
#include <vector>

#include <torch/types.h>
#include <nlohmann/json.hpp>

#include "core/tensor/tensor_file.h"
#include "models/graph/model.h"

/// What every reader of fixture files needs. One ctest entry runs one reader on one file: the entry
/// parity.forward_v1_r18vd runs the test case tagged [forward] with RTDETR_FIXTURE=forward_v1_r18vd.
namespace rtdetr::test {

struct Fixture {
  std::string stem;  ///< e.g. "forward_v1_r18vd_256x384"
  nlohmann::json json;
  TensorMap tensors;  ///< empty for a file without .safetensors

  /// Fails the test if there is no such tensor.
  const torch::Tensor& tensor(const std::string& name) const;
};

/// The file that RTDETR_FIXTURE names.
Fixture load_fixture();
/// Another one, e.g. the inputs that several files share.
Fixture load_fixture(const std::string& stem);

/// The fixture's model, "v1_r18vd": its JSON's name; of D-FINE's, which say what they are too, "dfine_n"; of DEIMv2's
/// "deim_v2_n".
std::string model_of(const Fixture& fixture);

/// Whose model that is: "v1", "v2", "ultralytics", "dfine", "deim", "deimv2" or "dino".
std::string origin_of(const std::string& fixture_model);

/// Model file of a fixture: "v1_r18vd" → rtdetr_r18vd.yaml, "v2_r18vd" → rtdetrv2_r18vd.yaml, "dfine_n" → dfine-n.yaml,
/// "deim_n" → deim-n.yaml, "deim_v2_n" → deimv2-n.yaml, "dino_X" → dino_X.yaml, "ultralytics_X" → X.yaml.
std::string model_file_of(const std::string& fixture_model);

/// The model's YAML, with options added to its decoder's, such as "denoising: 0"; DINO's without them, and without mean
/// and deviation of pictures.
ModelSpec spec_of(const std::string& fixture_model, const std::string& decoder_options = "");

/// Whether the fixture model or model file of this name samples whole cells.
bool samples_discretely(const std::string& model);

/// The fixture's model (model_of), filled by the rule, in `type`, evaluation mode.
DetectionModel build_fixture_model(const std::string& fixture_model, torch::Dtype type);

/// Where the readers of whole passes compute: on the CPU, or on the card that RTDETR_TEST_DEVICE names, float32 in
/// full. Call it before anything asks LibTorch for a GPU.
torch::Device fixture_device();
/// What was computed, where it is compared: on the CPU.
ModelOutput on_cpu(ModelOutput output);
std::vector<torch::Tensor> on_cpu(std::vector<torch::Tensor> tensors);

/// Where each image's selected tokens of `expected` stand in `actual`: in float32 neighbours of the selection may swap.
/// Fails the test if the sets differ.
/// @param actual, expected  [B, Q] int64 token numbers
/// @return                  [B, Q]
torch::Tensor rows_of_tokens(const torch::Tensor& actual, const torch::Tensor& expected);
/// The first `count` rows of `values` [B, Q, C] in that order.
torch::Tensor aligned(const torch::Tensor& values, const torch::Tensor& rows, std::int64_t count);

/// Prints `<stem> <what> <largest error> of <limit>` and checks it. Absolute: max |a − e|; relative: max |a − e|
/// divided by max |e|. Infinite values must be equal. Types are raised to float64, shapes must be equal.
void check_absolute(const std::string& what, const torch::Tensor& actual, const torch::Tensor& expected, double limit);
void check_relative(const std::string& what, const torch::Tensor& actual, const torch::Tensor& expected, double limit);
/// As check_absolute. A model that samples discretely is held to it in all but 1 % of its rows, and to 1e-2 in those: a
/// coordinate that float32 rounds into the other cell moves a whole sample (tests/fixtures/README.md §3).
/// @param actual, expected  [..., C]: rows of C
void check_rows(const std::string& what, const torch::Tensor& actual, const torch::Tensor& expected, double limit,
                bool discrete);
/// Same for single numbers; relative to |expected|.
void check_number(const std::string& what, double actual, double expected, double relative_limit);
/// Integers and truth values.
void check_equal(const std::string& what, const torch::Tensor& actual, const torch::Tensor& expected);
/// What must be the same, as a number of differences.
void check_none(const std::string& what, std::int64_t differences);

}  // namespace rtdetr::test
