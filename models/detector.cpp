#include "models/detector.h"

#include <torch/torch.h>

#include <chrono>
#include <mutex>
#include <set>

#include "core/io/chw.h"
#include "core/io/error.h"
#include "core/io/log.h"
#include "core/io/picture.h"
#include "models/checkpoint.h"
#include "models/postprocess.h"

namespace rtdetr {

struct Detector::State {
  DetectorOptions options;
  LoadedModel loaded;
  std::int64_t height = 0, width = 0;
  std::mutex mutex;
  std::set<std::string> warned;
};

namespace {

class Stopwatch {
 public:
  /// Milliseconds since the last call, or since construction.
  double lap() {
    const auto now = std::chrono::steady_clock::now();
    const std::chrono::duration<double, std::milli> passed = now - last_;
    last_ = now;
    return passed.count();
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

Picture to_picture(const RgbView& view) {
  if (!view.data || view.width <= 0 || view.height <= 0)
    throw DataError("cannot detect in a picture of " + std::to_string(view.width) + " x " +
                    std::to_string(view.height) + " pixels" + (view.data ? "" : " without data"));
  Picture picture(view.width, view.height);
  const std::ptrdiff_t row_bytes = std::ptrdiff_t{3} * view.width, stride = view.stride ? view.stride : row_bytes;
  for (int y = 0; y < view.height; ++y) std::copy_n(view.data + y * stride, row_bytes, picture.row(y));
  return picture;
}

/// [B, 3, H, W] float32 in [0, 1], channels last.
torch::Tensor to_batch(std::span<const RgbView> views, std::int64_t height, std::int64_t width) {
  torch::Tensor batch = torch::empty({static_cast<std::int64_t>(views.size()), 3, height, width});
  float* out = batch.mutable_data_ptr<float>();
  for (const RgbView& view : views) {
    const Picture picture = to_picture(view);
    resize_to_chw_float(picture, PictureWindow::whole(picture), static_cast<int>(width), static_cast<int>(height),
                        Resampling::kPillowBilinear, out);
    out += 3 * height * width;
  }
  return batch.contiguous(torch::MemoryFormat::ChannelsLast);
}

/// A line for each kind of what a decoder found odd, with the first picture's name.
void warn_once_of(std::set<std::string>& warned, const std::filesystem::path& file, const Picture& picture) {
  for (const std::string& warning : picture.warnings) {
    if (warned.insert(warning).second)
      log::warning("'" + file.string() + "' is read whole, though the decoder warns: " + warning);
  }
}

std::vector<Detection> above(const Detections& found, float min_score) {
  std::vector<Detection> kept;
  const torch::Tensor boxes = found.boxes_xyxy.contiguous(), scores = found.scores.contiguous();
  const float* box = boxes.const_data_ptr<float>();
  const std::int64_t* label = found.labels.const_data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < scores.size(0); ++i, box += 4) {
    const float score = scores.const_data_ptr<float>()[i];
    if (score < min_score) break;  // best first
    kept.push_back({box[0], box[1], box[2], box[3], score, static_cast<int>(label[i])});
  }
  return kept;
}

}  // namespace

Detector::Detector(const std::filesystem::path& model_file, const DetectorOptions& options)
    : state_(std::make_unique<State>()) {
  State& s = *state_;
  s.options = options;
  if (options.threads > 0) at::set_num_threads(options.threads);
  s.loaded = load_model(model_file, options.decoder_layers);
  s.loaded.model->fuse();
  to_channels_last(*s.loaded.model);
  s.height = options.height > 0 ? options.height : s.loaded.info.height;
  s.width = options.width > 0 ? options.width : s.loaded.info.width;
  const std::int64_t stride = s.loaded.model->stride();
  if (s.height % stride || s.width % stride)
    throw ConfigError("input size " + std::to_string(s.height) + " x " + std::to_string(s.width) +
                      ": both sides must be multiples of " + std::to_string(stride));
}

Detector::~Detector() = default;
Detector::Detector(Detector&&) noexcept = default;
Detector& Detector::operator=(Detector&&) noexcept = default;

std::vector<std::vector<Detection>> Detector::detect(std::span<const RgbView> pictures, DetectionTimes* times) const {
  if (pictures.empty()) return {};
  State& s = *state_;
  const std::lock_guard lock(s.mutex);
  const c10::InferenceMode inference;
  Stopwatch watch;
  DetectionTimes measured;
  const torch::Tensor batch = to_batch(pictures, s.height, s.width);
  measured.preprocess_ms = watch.lap();
  const ModelOutput output = s.loaded.model->forward(batch);
  measured.model_ms = watch.lap();

  std::vector<PictureSize> sizes;
  for (const RgbView& view : pictures) sizes.push_back({view.width, view.height});
  std::vector<std::vector<Detection>> result;
  const PostprocessOptions options{.max_detections = s.options.max_detections, .clip = true};
  for (const Detections& found : postprocess(output.layers.back(), sizes, options))
    result.push_back(above(found, static_cast<float>(min_score())));
  measured.postprocess_ms = watch.lap();
  if (times) *times = measured;
  return result;
}

std::vector<Detection> Detector::detect(const RgbView& picture) const { return detect(std::span(&picture, 1)).front(); }

std::vector<Detection> Detector::detect_file(const std::filesystem::path& file) const {
  const Picture picture = read_picture(file, {.max_pixels = state_->options.max_pixels});
  {
    const std::lock_guard lock(state_->mutex);
    warn_once_of(state_->warned, file, picture);
  }
  return detect(RgbView{picture.rgb.data(), picture.width, picture.height});
}

const std::vector<std::string>& Detector::names() const { return state_->loaded.info.names; }
int Detector::input_height() const { return static_cast<int>(state_->height); }
int Detector::input_width() const { return static_cast<int>(state_->width); }
std::optional<double> Detector::best_score() const { return state_->loaded.info.best_confidence; }
double Detector::min_score() const {
  constexpr double kUsual = 0.5;
  return state_->options.min_score ? *state_->options.min_score : best_score().value_or(kUsual);
}
int Detector::decoder_layers() const { return static_cast<int>(state_->loaded.model->num_decoder_layers()); }

}  // namespace rtdetr
