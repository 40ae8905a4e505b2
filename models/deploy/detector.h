#pragma once

#include "core/base/cpp20.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/base/precision_type.h"
#include "core/image/fit.h"
#include "core/image/image_view.h"
#include "core/image/picture_size.h"
#include "core/image/resampling.h"
#include "core/image/rgb_view.h"

/// The inference API: a model file in, pictures in, boxes out. Needs no header of LibTorch or OpenCV.
namespace rtdetr {

struct LoadedModel;  // models/weights/checkpoint.h

struct Detection {
  float x0 = 0, y0 = 0, x1 = 0, y1 = 0;  ///< corners, pixels of the picture, inside it
  float score = 0;                       ///< [0, 1]
  int label = 0;                         ///< index into Detector::names()
};

struct DetectorOptions {
  /// Smallest score of a detection, [0, 1]. Absent: Detector::best_score() of the model file, or 0.5 where it has none.
  std::optional<float> min_score = std::nullopt;
  int max_detections = 300;  ///< per picture, at least 1
  /// Find these classes alone, indices into Detector::names(): others take no place among the detections. Empty: all.
  std::vector<int> classes = {};
  /// A query gives one detection, of its best class. False, as the references have it: the best pairs of query and
  /// class, so that one query may be found under several classes.
  bool one_class_per_query = false;
  /// Of a YOLO's file, whose detections are suppressed: one that overlaps a better one by more than this goes, [0, 1];
  /// 1: none goes. Absent: as the file says, of published models 0.7. Of other models none is suppressed.
  std::optional<double> iou = std::nullopt;
  std::optional<bool> agnostic_nms = std::nullopt;  ///< there: of another class, too; absent: as the file says
  int decoder_layers = 0;  ///< run only the first k: faster, a little less accurate; 0 = the model's usual depth
  /// The best k of the encoder's tokens become queries: fewer are faster, with at most so many objects, more than the
  /// file says are slower, and refused where they are learnt; 0 = as many as the file says. Settled when a file is
  /// opened; copies have as many.
  int num_queries = 0;
  /// Input size, multiples of the model's stride; with Fit::kKeepRatio the two limits of a picture's sides, any
  /// numbers. 0 = the side it was trained with: one alone leaves the other
  int height = 0, width = 0;
  /// Where it computes: "cpu", "cuda" (the first GPU), "cuda:1" or "1", "auto" (the first GPU that can be used, else
  /// the CPU). A GPU needs the CUDA plug-in (docs/gpu.md).
  std::string device = "cpu";
  /// Number type of the model's products and convolutions, float32 unless said: bf16, fp16 or int8 are faster where the
  /// device is made for them (docs/howto/number_types.md). Boxes and scores come in float32 all the same.
  Precision precision = Precision::kFloat32;
  int threads = 0;  ///< of each call of this detector; 0 = what the process has set (OMP_NUM_THREADS)
  /// How pictures are brought to the input size. Absent: as those that the model was trained on.
  std::optional<Resampling> resampling = std::nullopt;
  std::optional<Fit> fit = std::nullopt;  ///< how they fill it; absent: likewise
  /// On the CPU in float32, bf16 or int8, run the model prepared for it (docs/explanation/cpu_engine.md): the same
  /// detections, but for rounding, in less time. bf16 and int8 need a processor that multiplies them (AVX512_BF16,
  /// AVX512_VNNI), int8 also a file with a calibration. False: the plain model.
  bool engine = true;
  /// When a model is opened: give back the memory of the weights that the engine has made its own form of. The detector
  /// and its copies then compute at one size, depth and precision for good. Without effect on a copy.
  bool final_form = false;
  std::int64_t max_pixels = 64'000'000;  ///< largest picture that detect_file decodes: 4.2 bytes of memory a pixel
  /// detect_file decodes a large JPEG at a half, a quarter or an eighth of its sides, not below the input size: less
  /// than half the time for photographs of many million pixels; scores move by some thousandths
  /// (docs/howto/choose_speed.md).
  bool reduced_jpeg = false;
};

/// Wall-clock milliseconds of one call; those of a device until it is done.
struct DetectionTimes {
  double preprocess_ms = 0, model_ms = 0, postprocess_ms = 0;

  double total_ms() const { return preprocess_ms + model_ms + postprocess_ms; }
  DetectionTimes& operator+=(const DetectionTimes& more) {
    preprocess_ms += more.preprocess_ms;
    model_ms += more.model_ms;
    postprocess_ms += more.postprocess_ms;
    return *this;
  }
};

/// A trained detector, on the CPU unless options say otherwise, fused on loading. One may be called from several
/// threads at once, as may its copies, which share the weights: detections are the same as one after the other, and
/// each call has `threads` of its own. For the most pictures a second, give every core a thread and a detector of one
/// (docs/howto/embed.md).
///
///     rtdetr::Detector detector("best.safetensors");
///     for (const rtdetr::Detection& d : detector.detect(picture)) …
///
/// Other work on the machine slows a call down by the time that it takes away, not more: threads spin for each other
/// only while nothing else wants their cores (core/base/short_waits.h). While it does, the process has as many sleeping
/// threads more as there are cores, and one. OMP_WAIT_POLICY or GOMP_SPINCOUNT in the environment switch that off.
class Detector {
 public:
  /// @throws rtdetr::Error  (a std::runtime_error) if the file cannot be read or used, or an option does not fit it.
  ///                        Options that no model could have are named all together, the first that does not fit this
  ///                        model, its weights or the machine alone.
  ///                        Where memory runs out std::bad_alloc may come, too (error.h), as of all that detects
  explicit Detector(const std::filesystem::path& model_file, const DetectorOptions& options = {});
  /// The bytes of a model file of rtdetr (`train`, `export`, `convert`), which are not needed afterwards: of a vector,
  /// std::as_bytes(std::span(vector)). @throws as above, also for another program's file
  explicit Detector(std::span<const std::byte> model_file, const DetectorOptions& options = {});
  /// A model that is open already; it is fused if it was not, and empty after final_form. @throws as above
  explicit Detector(LoadedModel loaded, const DetectorOptions& options = {});
  /// The same weights, not loaded again, with other options. Of another size, depth or precision the engine prepares
  /// its own form of them, which takes time and memory as loading does.
  /// @throws as above, and if `other` runs fewer decoder layers, another number of queries or on another device: the
  ///         weights lie there; or has final_form, and another form is asked for
  Detector(const Detector& other, const DetectorOptions& options);
  Detector(const Detector&);  ///< the same weights and options
  Detector& operator=(const Detector&);
  Detector(Detector&&) noexcept;
  Detector& operator=(Detector&&) noexcept;
  ~Detector();

  /// Best first. The picture is neither copied nor kept; of formats other than RGB a few rows are converted at a time.
  /// @throws rtdetr::Error  for a picture without data, of no size or of one that cannot be meant, or whose rows
  /// overlap; with ExitCode::kDiverged for scores or boxes that are not finite
  std::vector<Detection> detect(const RgbView& picture) const;
  std::vector<Detection> detect(const ImageView& picture) const;
  /// An entry per picture. One pass, but for the engine, which takes one picture after the other.
  std::vector<std::vector<Detection>> detect(std::span<const RgbView> pictures, DetectionTimes* times = nullptr) const;
  std::vector<std::vector<Detection>> detect(std::span<const ImageView> pictures,
                                             DetectionTimes* times = nullptr) const;
  /// Reads a JPEG, PNG, WebP, BMP or TIFF file. @throws as above, and for a file that is none or is not whole
  std::vector<Detection> detect_file(const std::filesystem::path& picture) const;
  /// The same of the file's bytes: of a vector, std::as_bytes(std::span(vector)). They are not kept.
  std::vector<Detection> detect_file(std::span<const std::byte> picture) const;

  const std::vector<std::string>& names() const;  ///< of the classes
  /// What is enough of a picture for this detector: the input size under reduced_jpeg, else {0, 0}, every pixel. For
  /// those who decode themselves (core/image/picture.h).
  PictureSize enough_pixels() const;
  int input_height() const;
  int input_width() const;
  int decoder_layers() const;  ///< that run
  /// Score at which precision and recall were best together (mean F1) when the model was validated in training; absent
  /// in files of models that were not.
  std::optional<double> best_score() const;
  double min_score() const;  ///< that counts

 private:
  struct State;
  std::shared_ptr<const State> state_;
};

}  // namespace rtdetr
