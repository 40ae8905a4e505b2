#include <algorithm>
#include <deque>
#include <filesystem>
#include <future>
#include <iterator>
#include <optional>
#include <span>
#include <utility>

#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/progress.h"
#include "core/base/read_ahead.h"
#include "core/base/text.h"
#include "core/image/exif.h"
#include "core/image/picture_names.h"
#include "core/image/picture_warnings.h"
#include "core/io/file.h"
#include "core/ops/device_memory.h"
#include "core/video/video_source.h"
#include "models/deploy/detector.h"
#include "models/weights/checkpoint.h"
#include "train/commands/commands.h"
#include "train/commands/detection_options.h"
#include "train/commands/model_source.h"
#include "train/commands/picture_sources.h"
#include "train/commands/predict_video.h"
#include "train/commands/prediction_files.h"
#include "train/config/keys.h"
#include "train/process/machine.h"
#include "train/process/stop_signal.h"
#include "train/report/output.h"
#include "train/report/work_progress.h"

namespace rtdetr {

namespace {

namespace fs = std::filesystem;

constexpr const char* kPipedName = "standard input";
constexpr std::size_t kLongestSource = 60;   ///< longer lists are shown by their first entry
constexpr std::size_t kListedPictures = 50;  ///< more pictures than this get a progress line instead of a line each

Detector open_detector(const Settings& settings) {
  require_trained(settings);
  LoadedModel loaded = load_model(settings.model, {settings.decoder_layers, settings.num_queries});
  const Precision precision = model_precision(settings, compute_device(settings), loaded.info.input_ranges);
  return make_detector(settings, std::move(loaded), detector_options(settings, precision));
}

/// A smallest score that was not tried: the model file's best, which counts where no other is given, or for want of one
/// less than the usual.
std::string other_score(const Settings& settings, const std::optional<double>& best) {
  if (!settings.is_given("conf")) return best ? "" : " conf=0.3";
  return best && two_digits(*best) != two_digits(settings.conf) ? " conf=" + two_digits(*best) : "";
}

/// What was typed, but for the model, the source and a score that another takes the place of.
std::string typed_settings(const Settings& settings, bool other_score) {
  std::string text;
  for (const Key* key : keys_of(Command::kPredict)) {
    const auto given = settings.given.find(key->name);
    if (given == settings.given.end() || given->second != "command line") continue;
    if (key->name == "model" || key->name == "source" || (key->name == "conf" && other_score)) continue;
    text += " " + key->name + "=" + shell_word(value_text(*key, settings));
  }
  return text;
}

/// The same again with what was not asked for; "" where nothing is left, and of standard input, which has been read.
std::string next_line(const Settings& settings, const std::optional<double>& best_score) {
  const std::string score = other_score(settings, best_score);
  const std::string more = score + (settings.save_txt ? "" : " save_txt=true");
  if (more.empty() || settings.source == kStandardInput) return "";
  std::string source = without_passwords(settings.source);
  const std::size_t comma = source.find(',');
  if (source.size() > kLongestSource && comma != std::string::npos) source = source.substr(0, comma) + ",…";
  return "\nnext: rtdetr predict model=" + shell_word(settings.model) + " source=" + shell_word(source) +
         typed_settings(settings, !score.empty()) + more + "\n";
}

/// Reads, detects, writes; what it saw is in its members afterwards.
class PredictRun {
 public:
  explicit PredictRun(const Settings& settings)
      : settings_(settings),
        source_(predicted_pictures(settings.source)),
        stems_(unique_stems(source_.files, source_.videos)),
        detector_(open_detector(settings)) {
    if (settings.save || settings.save_crop || settings.save_txt || settings.save_json) {
      folder_ = make_output_folder(settings);
      require_sources_kept(settings, folder_, source_, stems_);
    }
  }

  void run() {
    if (!files_.empty()) run_pictures();
    if (!source_.videos.empty()) run_videos();
  }

  void report() const;
  /// After a signal in a video. @throws Error
  void leave_if_stopped() const {
    if (!signals_) return;
    StopSignals::leave_if_requested(folder_.empty() ? "nothing is written" : "what is done is in " + folder_.string());
  }
  /// The smallest score that counts: conf= when given, else the model file's best, else the usual one.
  double confidence() const;
  bool is_best_confidence() const { return !settings_.is_given("conf") && detector_.best_score(); }
  ExitCode exit_code() const { return unreadable_.empty() ? ExitCode::kOk : ExitCode::kData; }

 private:
  struct ReadPicture {
    std::size_t index = 0;
    std::optional<Picture> picture;
    std::string fault;  ///< why there is none
  };

  void run_pictures() {
    const auto batch = static_cast<std::size_t>(settings_.batch), workers = static_cast<std::size_t>(settings_.workers);
    const WorkProgress progress(std::ssize(files_), "detecting: ");
    ReadAhead<ReadPicture> pictures(files_.size(), static_cast<int>(workers), std::max(2 * workers, batch + workers),
                                    [this](std::size_t i) { return read(i); });
    for (std::size_t first = 0; first < files_.size(); first += batch) {
      const std::size_t count = std::min(batch, files_.size() - first);
      detect(take(pictures, count));
      if (files_.size() > kListedPictures || log::tells_json()) progress.show(static_cast<std::int64_t>(first + count));
    }
    for (; !writing_.empty(); writing_.pop_front()) writing_.front().get();
    log::end_progress();
    warnings_.report();
    if (settings_.save_json) write_text_atomically(folder_ / "detections.json", json_text(pictures_));
  }
  void run_videos();

  ReadPicture read(std::size_t index) const;
  /// Up to `count` pictures that could be read; the others are noted.
  std::vector<ReadPicture> take(ReadAhead<ReadPicture>& pictures, std::size_t count);
  void detect(std::vector<ReadPicture> batch);
  std::vector<PictureDetections> found_in(std::span<const RgbView> views, DetectionTimes& times);
  void record(ReadPicture read, const PictureDetections& found, double ms);
  void write_pictures(ReadPicture read, const PictureDetections& found);

  const Settings& settings_;
  PredictedPictures source_;
  const std::vector<fs::path>& files_ = source_.files;
  std::vector<std::string> stems_;
  Detector detector_;
  LoadLimit limit_{"a smaller batch= or imgsz= needs less"};
  fs::path folder_;
  nlohmann::ordered_json pictures_ = nlohmann::ordered_json::array();
  nlohmann::ordered_json videos_ = nlohmann::ordered_json::array();
  nlohmann::ordered_json unreadable_ = nlohmann::ordered_json::array();
  PictureWarnings warnings_;
  CropNames crop_names_;
  std::int64_t detections_ = 0, frames_ = 0;
  double total_ms_ = 0;
  std::optional<StopSignals> signals_;     ///< once there is a video: it can be stopped, and what is done of it is kept
  std::deque<std::future<void>> writing_;  ///< last: what they use is still there when they are waited for
};

PredictRun::ReadPicture PredictRun::read(std::size_t index) const {
  ReadPicture read{index, {}, {}};
  try {
    const PictureLimits limits{.max_pixels = settings_.max_pixels};
    const fs::path& file = files_[index];
    const PictureSize enough = detector_.enough_pixels();
    if (const auto& piped = source_.piped; !piped.empty())
      read.picture = settings_.exif ? decode_upright_picture(piped, kPipedName, limits, enough)
                                    : decode_picture(piped, kPipedName, limits, enough);
    else
      read.picture = settings_.exif ? read_upright_picture(file, limits, enough) : read_picture(file, limits, enough);
    if (settings_.tile > 0)
      require_few_tiles(source_.piped.empty() ? file.string() : kPipedName, read.picture->full_size(),
                        tile_options(settings_));
  } catch (const DataError& error) {
    read = {index, {}, error.what()};
  } catch (const IoError& error) {
    read = {index, {}, error.what()};
  }
  return read;
}

std::vector<PredictRun::ReadPicture> PredictRun::take(ReadAhead<ReadPicture>& pictures, std::size_t count) {
  std::vector<ReadPicture> batch;
  for (std::size_t i = 0; i < count; ++i) {
    ReadPicture read = std::move(*pictures.next());
    const fs::path& file = files_[read.index];
    if (!read.picture) {
      log::warning(read.fault);
      unreadable_.push_back({{"file", file.string()}, {"message", read.fault}});
      continue;
    }
    warnings_.add(file, read.picture->warnings);
    batch.push_back(std::move(read));
  }
  return batch;
}

void PredictRun::detect(std::vector<ReadPicture> batch) {
  if (batch.empty()) return;
  std::vector<RgbView> views;
  for (const ReadPicture& read : batch) views.push_back(*read.picture);
  DetectionTimes times;
  const std::vector<PictureDetections> found = found_in(views, times);
  const double ms = times.total_ms() / static_cast<double>(batch.size());
  for (std::size_t i = 0; i < batch.size(); ++i) record(std::move(batch[i]), found[i], ms);
}

std::vector<PictureDetections> PredictRun::found_in(std::span<const RgbView> views, DetectionTimes& times) {
  const std::int64_t together = settings_.tile > 0 ? settings_.batch : std::ssize(views);
  const PictureLoad load{together, detector_.input_height(), detector_.input_width()};
  return limit_.run(load, [&] { return detect_pictures(settings_, detector_, views, times); });
}

void PredictRun::run_videos() {
  signals_.emplace();
  const VideoWork work{settings_, detector_.names(), folder_,
                       [this](std::span<const RgbView> views, DetectionTimes& times) { return found_in(views, times); },
                       StopSignals::requested};
  for (std::size_t i = 0; i < source_.videos.size() && !StopSignals::requested(); ++i) {
    const VideoResult seen = predict_video(work, source_.videos[i], stems_[files_.size() + i]);
    if (!seen.fault.empty()) {
      log::warning(seen.fault);
      unreadable_.push_back({{"file", seen.name}, {"message", seen.fault}});
    }
    if (seen.frames == 0) continue;
    detections_ += seen.detections;
    frames_ += seen.frames;
    total_ms_ += seen.ms;
    videos_.push_back(video_json(seen));
    const std::string passed =
        seen.passed_over > 0 ? ", " + with_thousands(seen.passed_over) + " passed over to keep up" : "";
    print_text(settings_, seen.name + "  " + counted(seen.frames, "frame") + passed + ", " +
                              counted(seen.detections, "detection") + "  " + fixed(seen.ms_per_frame(), 1) +
                              " ms per frame\n");
  }
}

/// Draws, cuts out and encodes beside the detection of the next pictures; as many at once as pictures are read.
void PredictRun::write_pictures(ReadPicture read, const PictureDetections& found) {
  const std::string& stem = stems_[read.index];
  std::vector<fs::path> crops;
  if (settings_.save_crop) crops = crop_names_.names_for(folder_, stem, found, detector_.names());
  const fs::path file = settings_.save ? folder_ / drawn_name(files_[read.index], stem) : fs::path();
  auto write = [this, file, crops = std::move(crops), picture = std::move(*read.picture), found] {
    for (std::size_t i = 0; i < crops.size(); ++i) write_picture(crops[i], cut_out(picture, found[i]));
    if (!file.empty()) write_picture(file, drawn(picture, found, detector_.names()));
  };
  if (settings_.workers == 0) return write();
  for (; std::ssize(writing_) >= settings_.workers; writing_.pop_front()) writing_.front().get();
  writing_.push_back(std::async(std::launch::async, std::move(write)));
}

void PredictRun::record(ReadPicture read, const PictureDetections& found, double ms) {
  const fs::path& file = files_[read.index];
  const std::vector<std::string>& names = detector_.names();
  detections_ += static_cast<std::int64_t>(found.size());
  total_ms_ += ms;
  const PictureSize size = read.picture->full_size();
  if (settings_.save_txt)
    write_text_atomically(folder_ / "labels" / (stems_[read.index] + ".txt"),
                          yolo_lines(found, size.width, size.height, settings_.save_conf));
  pictures_.push_back(picture_json(file, size, found, names, ms));
  if (files_.size() <= kListedPictures)
    print_text(settings_, file.string() + "  " + counts_by_class(found, names) + "  " + fixed(ms, 1) + " ms\n");
  if (settings_.save || settings_.save_crop) write_pictures(std::move(read), found);
}

double PredictRun::confidence() const { return is_best_confidence() ? *detector_.best_score() : settings_.conf; }

void PredictRun::report() const {
  const auto count = static_cast<long long>(pictures_.size());
  std::string text = "\n" + counted(detections_, "detection") + " with a score of at least " +
                     format_double(confidence()) + (is_best_confidence() ? " (best F1 on val; conf= changes it)" : "") +
                     " in " + (count > 0 || frames_ == 0 ? counted(count, "picture") : "") +
                     (count > 0 && frames_ > 0 ? " and " : "") + (frames_ > 0 ? counted(frames_, "frame") : "");
  if (count + frames_ > 0)
    text += ", " + fixed(total_ms_ / static_cast<double>(count + frames_), 1) + " ms per picture";
  text += "\n";
  if (!unreadable_.empty())
    text += counted(static_cast<long long>(unreadable_.size()), source_.videos.empty() ? "picture" : "source") +
            " could not be read" + (source_.videos.empty() ? "" : " to its end") + " (named above)\n";
  if (!folder_.empty()) text += "written to " + folder_.string() + "\n";
  if (count + frames_ > 0) text += next_line(settings_, detector_.best_score());
  print_text(settings_, text);
  print_json(settings_,
             {{"model", settings_.model},
              {"imgsz", {detector_.input_height(), detector_.input_width()}},
              {"conf", confidence()},
              {"conf_is_best_f1", is_best_confidence()},
              {"decoder_layers", detector_.decoder_layers()},
              {"tile", settings_.tile > 0 ? nlohmann::ordered_json(settings_.tile) : nlohmann::ordered_json()},
              {"folder", folder_.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(folder_.string())},
              {"detections", detections_},
              {"pictures", pictures_},
              {"videos", videos_},
              {"unreadable", unreadable_}});
}

}  // namespace

ExitCode run_predict(const Settings& settings) {
  PredictRun run(settings);
  run.run();
  run.report();
  run.leave_if_stopped();
  return run.exit_code();
}

}  // namespace rtdetr
