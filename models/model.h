#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <torch/nn.h>

#include "core/detection.h"
#include "models/yaml/model_spec.h"

namespace rtdetr {

struct BuildOptions {
  std::optional<std::int64_t> num_classes;     ///< overrides the file's nc
  std::optional<std::int64_t> decoder_layers;  ///< build only the first k layers
  std::optional<std::int64_t> num_queries;
  std::uint64_t seed = 0;       ///< of the initial weights (core/io/random.h)
  bool initial_weights = true;  ///< false: tensors stay unset, for a checkpoint that follows
  bool shapes_only = false;     ///< tensors without memory (LibTorch's meta device): to count and to look at
};

/// Random draws of a denoising group, so that tests can inject the reference's. See models/decoder/denoising.h.
struct DenoisingDraws;

struct ForwardOptions {
  /// Training: ground truth of each image; adds denoising queries. Empty outside training.
  std::span<const Target> targets;
  /// Source of the denoising draws; required with targets unless `draws` is given.
  std::optional<torch::Generator> generator;
  const DenoisingDraws* draws = nullptr;
  /// Outside training: run only the first k decoder layers (0 = all), and
  std::int64_t decoder_layers = 0;
  /// the heads of every layer rather than of the last one alone (evaluation per layer, one forward pass).
  bool all_layers = false;
};

class Head;

/// A detector built from a YAML graph. Modules are registered under the paths their rows name (`model.<row>` without
/// one), so the state's keys are the reference's.
class DetectionModelImpl : public torch::nn::Module {
 public:
  DetectionModelImpl(ModelSpec spec, const BuildOptions& options);
  ~DetectionModelImpl() override;

  /// @param images  [B, 3, H, W] in [0, 1]; H and W multiples of stride()
  /// @throws ConfigError  if the size does not fit the strides
  /// @note  in evaluation mode and without `keep_probes`, several threads may run it at once
  ModelOutput forward(const torch::Tensor& images, const ForwardOptions& options = {});

  const ModelSpec& spec() const;  ///< as resolved: nc, scale, queries, decoder layers; so is its text
  std::int64_t num_classes() const;
  std::int64_t num_decoder_layers() const;
  std::int64_t stride() const;  ///< largest stride of the graph, 32
  bool fused() const;

  /// Folds BatchNorm into convolutions and RepConv branches into one kernel, drops what only training needs
  /// (denoising embedding, decoder layers beyond `decoder_layers`). Exact up to rounding. Evaluation only.
  void fuse();

  const Head& head() const;  ///< the last row's module, models/block.h

  /// One line per row for `rtdetr info`: index, from, repeats, params, module, arguments; and the part it belongs to.
  struct Row {
    int index = 0;
    std::string from;
    std::int64_t repeats = 1;
    std::int64_t parameters = 0;  ///< trainable and frozen, no buffers
    std::string module;
    std::string arguments;
    std::string path;
    std::string part;  ///< "backbone", "encoder" or "decoder"
  };
  std::vector<Row> rows() const;
  /// Maps handed to the decoder and the backbone's outputs of the last forward, for parity probes; kept only while
  /// `keep_probes` is set.
  bool keep_probes = false;
  std::vector<torch::Tensor> backbone_maps, encoder_maps;

 private:
  struct Graph;
  std::unique_ptr<Graph> graph_;
};
TORCH_MODULE(DetectionModel);

/// Builds with initial weights as the references draw them, every tensor a function of (seed, key).
DetectionModel build_model(const ModelSpec& spec, const BuildOptions& options = {});

/// Parameters and buffers by key: what a checkpoint's weights are. Order: registration.
std::vector<std::pair<std::string, torch::Tensor>> named_state(const torch::nn::Module& module);

/// Convolution weights in channels-last memory, where CPU convolutions are fastest; values and keys stay. Pictures in
/// the same layout spare their conversion.
void to_channels_last(torch::nn::Module& module);

/// Trainable and frozen, no buffers.
std::int64_t count_parameters(const torch::nn::Module& module);

/// What the references' own deployment leaves, as their tables count it. Official models: RepVGG branches in one
/// kernel, no denoising embedding; BatchNorm and layers that do not run stay. Ultralytics: BatchNorm folded, the
/// embedding stays. `fuse` does all of it, so that an exported file has fewer.
std::int64_t count_deployed_parameters(const DetectionModelImpl& model);

/// Floating-point operations of one image, counted as the published figures are: 2 per multiply-add of convolutions and
/// linear layers; attention's own products are left out; the box head of query selection counts for every token though
/// ours runs it on the selected ones alone. The official figures are those of the fused model. Shapes alone are passed
/// through, so that neither weights nor their size matter.
double count_gflops(const DetectionModel& model, std::int64_t height, std::int64_t width);

}  // namespace rtdetr
