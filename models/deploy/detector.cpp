#include "models/deploy/detector.h"

#include <torch/types.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <mutex>
#include <set>
#include <utility>

#include "core/base/check.h"
#include "core/base/clock.h"
#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/precision.h"
#include "core/base/short_waits.h"
#include "core/base/text.h"
#include "core/image/image_view.h"
#include "core/image/picture.h"
#include "core/image/placement.h"
#include "core/ops/autocast.h"
#include "core/ops/compute_threads.h"
#include "core/ops/device.h"
#include "core/tensor/download.h"
#include "models/deploy/engine/engine.h"
#include "models/deploy/preprocess.h"
#include "models/deploy/wanted_pairs.h"
#include "models/graph/fitted_pictures.h"
#include "models/layers/module_tree.h"
#include "models/weights/checkpoint.h"

namespace rtdetr {

/// What a decoder finds odd, told once for each kind, with the first picture's name.
class ToldOnce {
 public:
  void warn_of(const std::string& name, const Picture& picture) {
    const std::lock_guard lock(mutex_);
    for (const std::string& warning : picture.warnings) {
      if (told_.insert(warning).second)
        log::warning("'" + name + "' is read whole, though the decoder warns: " + warning);
    }
  }

 private:
  std::mutex mutex_;
  std::set<std::string> told_;
};

/// The plain model's weights, for all who share them.
struct PlainForm {
  std::mutex mutex;                                     ///< of who reads them to prepare something
  bool is_there = true;                                 ///< not given back
  bool is_set = false;                                  ///< the order in which they lie
  std::set<std::array<std::int64_t, 3>> unknown_forms;  ///< height, width and depth that no engine could be made for
};

/// What copies share, and no call changes.
struct Detector::State {
  DetectorOptions options;
  DetectionModel model{nullptr};
  torch::Device device = torch::kCPU;  ///< where it lies
  ModelInfo info;
  ImageSize size;  ///< of the input
  WantedPairs wanted;
  std::shared_ptr<const CpuEngine> engine;  ///< nullptr: the plain model runs
  bool is_beginning = false;                ///< of a model just opened: nobody shares its weights yet
  std::shared_ptr<PlainForm> plain = std::make_shared<PlainForm>();
  std::shared_ptr<ShortWaits> waits = ShortWaits::shared();  ///< may be nullptr
  std::shared_ptr<ToldOnce> told = std::make_shared<ToldOnce>();

  Fit fit() const { return options.fit.value_or(info.fit); }
  SuppressionChoice suppression() const { return {options.iou, options.agnostic_nms}; }
  PreprocessOptions preprocessing() const {
    return {size, options.resampling.value_or(info.resampling), fit(), model->stride()};
  }
  void settle_size();
  void prepare(const State& other);
  ModelOutput run(const torch::Tensor& batch, std::span<const PictureSize> valid_sizes) const;
};

namespace {

/// Collects options that are out of range.
class OptionCheck {
 public:
  template <typename Number>
  void range(const char* name, Number value, double low, double high) {
    if (value >= low && value <= high) return;  // not so for not-a-number
    wrong_.push_back(std::string("DetectorOptions.") + name + " = " + format_double(value) + ": must be from " +
                     format_double(low) + " to " + format_double(high));
  }
  /// What was cast from a number may be none of an enum's values. @param last  of them
  template <typename Enum>
  void choice(const char* name, Enum value, Enum last) {
    range(name, static_cast<int>(value), 0, static_cast<int>(last));
  }
  void throw_if_any() const {
    if (!wrong_.empty()) throw ConfigError(join(wrong_, "\n"));
  }

 private:
  std::vector<std::string> wrong_;
};

void check_options(const DetectorOptions& options) {
  constexpr double kMostDetections = 1e6, kMostLayers = 64, kLongestSide = 16384, kMostThreads = 4096,
                   kMostPixels = 1e15;
  OptionCheck check;
  if (options.min_score) check.range("min_score", *options.min_score, 0, 1);
  if (options.iou) check.range("iou", *options.iou, 0, 1);
  check.range("max_detections", options.max_detections, 1, kMostDetections);
  check.range("decoder_layers", options.decoder_layers, 0, kMostLayers);
  check.range("num_queries", options.num_queries, 0, kMostDetections);
  check.range("height", options.height, 0, kLongestSide);
  check.range("width", options.width, 0, kLongestSide);
  check.choice("precision", options.precision, Precision::kInt8);
  check.range("threads", options.threads, 0, kMostThreads);
  if (options.resampling) check.choice("resampling", *options.resampling, Resampling::kOpencvLinear);
  if (options.fit) check.choice("fit", *options.fit, Fit::kKeepRatio);
  check.range("max_pixels", options.max_pixels, 1, kMostPixels);
  check.throw_if_any();
}

ModelCut cut_of(const DetectorOptions& options) {
  return {.decoder_layers = options.decoder_layers, .num_queries = options.num_queries};
}

DeviceChoice choice_of(const DetectorOptions& options) {
  return device_choice(options.device, " (DetectorOptions.device)");
}

/// What is wrong with a stride; "" if nothing is.
std::string wrong_stride(const char* name, std::ptrdiff_t stride, std::ptrdiff_t row_bytes) {
  if (stride == 0 || stride >= row_bytes) return "";
  return std::string("has a ") + name + " of " + std::to_string(stride) + " bytes, less than the " +
         std::to_string(row_bytes) + " of a row; 0 stands for rows without padding";
}

/// "" if nothing is.
std::string what_is_wrong(const ImageView& view) {
  constexpr std::int64_t kLongestSide = 1'000'000, kMostPixels = 10'000'000'000;  // what is larger was never set
  if (view.width <= 0 || view.height <= 0) return "has no pixel";
  if (std::max(view.width, view.height) > kLongestSide || std::int64_t{view.width} * view.height > kMostPixels)
    return "is too large: " + std::to_string(kLongestSide) + " pixels a side and " + std::to_string(kMostPixels) +
           " in all are the most; are its sides set?";
  if (!view.data) return "has no data";
  if (view.format < PixelFormat::kRgb || view.format > PixelFormat::kNv12Bt709)
    return "has the format " + std::to_string(static_cast<int>(view.format)) + ", which is none";
  if (std::min(view.full_width, view.full_height) < 0 || (view.full_width == 0) != (view.full_height == 0))
    return "has a full size of " + std::to_string(view.full_width) + " x " + std::to_string(view.full_height) +
           "; both sides are given, or both 0";
  const std::string wrong = wrong_stride("stride", view.stride, view.row_bytes());
  if (!wrong.empty() || !view.is_nv12()) return wrong;
  return wrong_stride("chroma stride", view.chroma_stride, view.chroma_row_bytes());
}

void check_picture(const ImageView& view, std::size_t index, std::size_t count) {
  const std::string wrong = what_is_wrong(view);
  if (wrong.empty()) return;
  const std::string which = count == 1 ? "the picture" : "picture " + std::to_string(index) + " of the batch";
  throw DataError("cannot detect: " + which + " (" + std::to_string(view.width) + " x " + std::to_string(view.height) +
                  " pixels) " + wrong);
}

/// @throws ConfigError  for a class that the model does not have
WantedPairs wanted_pairs(const DetectorOptions& options, std::size_t class_count) {
  WantedPairs wanted{.classes = {options.classes.begin(), options.classes.end()},
                     .one_class_per_query = options.one_class_per_query};
  OptionCheck check;
  for (const int label : options.classes) check.range("classes", label, 0, static_cast<double>(class_count) - 1);
  check.throw_if_any();
  return wanted;
}

/// What is not a number has no order, and no place in a picture.
void require_finite(float score, const float* box) {
  if (std::isfinite(score) && std::all_of(box, box + 4, [](float side) { return std::isfinite(side); })) return;
  throw outputs_not_finite("scores or boxes");
}

/// @param found  on the host
/// @param all    pairs were wanted; else those that were not have a score of 0
std::vector<Detection> above(const Detections& found, float min_score, bool all) {
  std::vector<Detection> kept;
  const auto boxes = found.boxes_xyxy.contiguous(), scores = found.scores.contiguous(),
             labels = found.labels.contiguous();
  const float* box = boxes.const_data_ptr<float>();
  const std::int64_t* label = labels.const_data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < scores.size(0); ++i, box += 4) {
    const float score = scores.const_data_ptr<float>()[i];
    require_finite(score, box);
    if (score < min_score || (score == 0 && !all)) break;  // best first
    kept.push_back({box[0], box[1], box[2], box[3], score, static_cast<int>(label[i])});
  }
  return kept;
}

/// The engine is of one size, and has no mask for padding.
bool suits_engine(const DetectorOptions& options, torch::Device device, Fit fit) {
  return options.engine && device.is_cpu() && options.precision != Precision::kFloat16 && fit != Fit::kKeepRatio;
}

[[noreturn]] void refuse_precision(const DetectorOptions& options, const std::string& why) {
  throw ConfigError("DetectorOptions.precision = " + precision_name(options.precision) + ": " + why);
}

EngineNumbers engine_numbers(const DetectorOptions& options, const InputRanges& ranges) {
  const std::string wrong = why_not(options.precision, ranges), hint = "; engine = false does that";
  if (!wrong.empty()) refuse_precision(options, wrong + (options.precision == Precision::kBFloat16 ? hint : ""));
  return {number_format(options.precision), ranges};
}

}  // namespace

/// The last layer's prediction.
ModelOutput Detector::State::run(const torch::Tensor& batch, std::span<const PictureSize> valid_sizes) const {
  if (engine) return engine->run(batch);
  const AutocastScope autocast(options.precision, device);
  DetectionModel handle = model;
  ForwardOptions forward;
  forward.decoder_layers = options.decoder_layers;
  forward.valid_sizes = valid_sizes;
  return handle->forward(batch, forward);
}

void Detector::State::settle_size() {
  require_fit(*model, fit());
  size.height = options.height > 0 ? options.height : info.height;
  size.width = options.width > 0 ? options.width : info.width;
  const std::int64_t stride = model->stride();
  if (fit() != Fit::kKeepRatio && (size.height % stride || size.width % stride))
    throw ConfigError("input size " + std::to_string(size.height) + " x " + std::to_string(size.width) +
                      ": both sides must be multiples of " + std::to_string(stride));
}

/// Prepares the engine, or takes over that of `other`, and the plain model's weights where it runs.
void Detector::State::prepare(const State& other) {
  const std::lock_guard lock(plain->mutex);
  const std::int64_t depth = options.decoder_layers == model->num_decoder_layers() ? 0 : options.decoder_layers;
  const std::array<std::int64_t, 3> form{size.height, size.width, depth};
  const bool wanted = suits_engine(options, device, fit()) && !plain->unknown_forms.contains(form);
  const EngineNumbers numbers = wanted ? engine_numbers(options, info.input_ranges) : EngineNumbers();
  const bool same = other.engine && other.engine->size() == size && other.engine->decoder_layers() == depth &&
                    other.engine->format() == numbers.format;
  if (!(wanted && same) && !plain->is_there)
    throw ConfigError("DetectorOptions.final_form: the detector was prepared for " + std::to_string(other.size.height) +
                      " x " + std::to_string(other.size.width) +
                      " pixels, its depth and its number type on the CPU alone; load the file again for another form");
  if (wanted && same) return;  // state was copied with it
  engine = nullptr;
  if (wanted) {
    const bool taken = options.final_form && other.is_beginning;
    plain->is_there = !taken;  // whatever happens while they are packed
    engine = CpuEngine::prepare(*model, size, {.decoder_layers = depth, .take_weights = taken, .numbers = numbers});
    if (!engine) {
      plain->is_there = true;
      plain->unknown_forms.insert(form);
    }
  }
  if (engine) return;
  if (options.precision == Precision::kInt8)
    refuse_precision(options, "only an engine on the CPU computes in it, and here the plain model would run");
  if (!std::exchange(plain->is_set, true)) to_channels_last(*model);
}

Detector::Detector(const std::filesystem::path& model_file, const DetectorOptions& options) {
  check_options(options);
  *this = Detector(load_model(model_file, cut_of(options)), options);
}

Detector::Detector(std::span<const std::byte> model_file, const DetectorOptions& options) {
  check_options(options);
  *this = Detector(load_model(model_file, cut_of(options)), options);
}

Detector::Detector(LoadedModel loaded, const DetectorOptions& options) {
  check_options(options);
  loaded.model->fuse();
  auto all = std::make_shared<State>();
  all->is_beginning = true;
  all->device = open_device(choice_of(options)).device;
  loaded.model->to(all->device);
  all->model = loaded.model;
  all->info = std::move(loaded.info);
  state_ = std::move(all);
  *this = Detector(*this, options);
}

Detector::Detector(const Detector& other, const DetectorOptions& options) {
  check_options(options);
  auto state = std::make_shared<State>(*other.state_);
  State& s = *state;
  if (!names_device(choice_of(options), s.device))
    throw ConfigError("DetectorOptions.device = " + options.device + ": the weights lie on " + s.device.str());
  s.options = options;
  s.settle_size();
  const std::int64_t layers = s.model->num_decoder_layers();
  if (options.decoder_layers > layers)
    throw ConfigError("DetectorOptions.decoder_layers = " + std::to_string(options.decoder_layers) + ": " +
                      std::to_string(layers) + " were loaded");
  if (const std::int64_t queries = s.model->head().num_queries();
      options.num_queries > 0 && options.num_queries != queries)
    throw ConfigError("DetectorOptions.num_queries = " + std::to_string(options.num_queries) +
                      ": the model that is open has " + std::to_string(queries) + "; load the file again");
  if (s.suppression().is_given() && !s.model->head().suppresses())
    throw ConfigError(std::string("DetectorOptions.") + (options.iou ? "iou" : "agnostic_nms") + ": " + kNoSuppression);
  s.wanted = wanted_pairs(options, s.info.names.size());
  s.is_beginning = false;
  s.prepare(*other.state_);
  state_ = std::move(state);
}

Detector::Detector(const Detector&) = default;
Detector& Detector::operator=(const Detector&) = default;
Detector::Detector(Detector&&) noexcept = default;
Detector& Detector::operator=(Detector&&) noexcept = default;
Detector::~Detector() = default;

std::vector<std::vector<Detection>> Detector::detect(std::span<const RgbView> pictures, DetectionTimes* times) const {
  std::vector<ImageView> views;
  for (const RgbView& picture : pictures) views.push_back(ImageView::of(picture));
  return detect(std::span<const ImageView>(views), times);
}

std::vector<std::vector<Detection>> Detector::detect(std::span<const ImageView> pictures, DetectionTimes* times) const {
  for (std::size_t i = 0; i < pictures.size(); ++i) check_picture(pictures[i], i, pictures.size());
  if (times) *times = {};
  if (pictures.empty()) return {};
  const State& s = *state_;
  const ComputeThreads threads(s.options.threads);
  const ShortWaits::Computing computing(omp_get_max_threads() > 1 ? s.waits.get() : nullptr);
  const c10::InferenceMode inference;
  Stopwatch watch;
  DetectionTimes measured;
  const ModelInput input = preprocess(pictures, s.preprocessing());
  const torch::Tensor batch = input.images.to(s.device);
  if (times) wait_for(s.device);
  measured.preprocess_ms = watch.lap();
  const ModelOutput output = s.run(batch, input.valid_sizes);
  if (times) wait_for(s.device);
  measured.model_ms = watch.lap();

  std::vector<std::vector<Detection>> result;
  const PostprocessOptions options{.max_detections = s.options.max_detections,
                                   .clip = true,
                                   .min_score = min_score(),
                                   .suppression = s.suppression()};
  const Prediction last = keep_wanted(output.layers.back(), s.wanted);
  for (Detections& found : download(s.model->head().postprocess(last, sizes_of_boxes(input.placements), options))) {
    bring_into_picture(input.placements[result.size()], found);
    result.push_back(above(found, static_cast<float>(min_score()), s.wanted.are_all()));
  }
  measured.postprocess_ms = watch.lap();
  if (times) *times = measured;
  return result;
}

std::vector<Detection> Detector::detect(const RgbView& picture) const { return detect(ImageView::of(picture)); }
std::vector<Detection> Detector::detect(const ImageView& picture) const {
  return detect(std::span(&picture, 1)).front();
}

std::vector<Detection> Detector::detect_file(const std::filesystem::path& file) const {
  const Picture picture = read_picture(file, {.max_pixels = state_->options.max_pixels}, enough_pixels());
  state_->told->warn_of(file.string(), picture);
  return detect(picture);
}

std::vector<Detection> Detector::detect_file(std::span<const std::byte> file) const {
  const std::string name = "a picture in memory";
  const Picture picture = decode_picture(file, name, {.max_pixels = state_->options.max_pixels}, enough_pixels());
  state_->told->warn_of(name, picture);
  return detect(picture);
}

const std::vector<std::string>& Detector::names() const { return state_->info.names; }
PictureSize Detector::enough_pixels() const {
  return state_->options.reduced_jpeg ? PictureSize{input_width(), input_height()} : PictureSize{};
}
int Detector::input_height() const { return static_cast<int>(state_->size.height); }
int Detector::input_width() const { return static_cast<int>(state_->size.width); }
std::optional<double> Detector::best_score() const { return state_->info.best_confidence; }
double Detector::min_score() const {
  constexpr double kUsual = 0.5;
  return state_->options.min_score ? *state_->options.min_score : best_score().value_or(kUsual);
}
int Detector::decoder_layers() const {
  return state_->options.decoder_layers > 0 ? state_->options.decoder_layers
                                            : static_cast<int>(state_->model->num_decoder_layers());
}

}  // namespace rtdetr
