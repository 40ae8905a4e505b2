#include "train/commands/predict_video.h"

#include <algorithm>
#include <cstddef>
#include <future>
#include <memory>
#include <optional>
#include <utility>

#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/progress.h"
#include "core/io/file.h"
#include "core/io/line_file.h"
#include "core/video/frames_ahead.h"
#include "core/video/video_programs.h"
#include "core/video/video_reader.h"
#include "core/video/video_writer.h"
#include "train/commands/detection_options.h"
#include "train/report/output.h"
#include "train/report/work_progress.h"

namespace rtdetr {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kAhead = 4;  ///< decoded frames that wait at most: one of 3840 x 2160 takes 25 MB

/// A frame with what was found in it.
struct SeenFrame {
  Frame frame;
  PictureDetections found;
};

class VideoRun {
 public:
  VideoRun(const VideoWork& work, const VideoSource& source, std::string stem)
      : work_(work),
        settings_(work.settings),
        stem_(std::move(stem)),
        reader_(find_video_programs(), source,
                {.stride = settings_.vid_stride, .max_pixels = settings_.max_pixels, .stop = work.stop}) {
    result_.name = source.shown();
    result_.facts = reader_.facts();
    result_.rate = reader_.rate();
    is_live_ = source.kind != VideoSource::Kind::kFile && reader_.expected() == 0;
    const PictureSize size{reader_.facts().width, reader_.facts().height};
    if (settings_.tile > 0) require_few_tiles(source.shown(), size, tile_options(settings_));
  }

  VideoResult run() {
    open_outputs();
    const std::size_t batch = is_live_ ? 1 : static_cast<std::size_t>(settings_.batch);
    const WorkProgress progress(reader_.expected(), "detecting in " + stem_ + ": ", "frames");
    FramesAhead frames(reader_, settings_.vid_stride, std::min(batch, kAhead), is_live_);
    for (;;) {
      std::vector<Frame> next = take(frames, batch);
      if (next.empty()) break;
      detect(std::move(next));
      progress.show(result_.frames);
    }
    result_.stopped = work_.stop && work_.stop();
    result_.passed_over = frames.passed_over();
    if (result_.fault.empty() && !result_.stopped) result_.fault = reader_.fault();
    if (writing_.valid()) writing_.get();
    log::end_progress();
    close_outputs();
    return std::move(result_);
  }

 private:
  void open_outputs() {
    if (settings_.save_json) {
      const fs::path file = work_.folder / (stem_ + ".jsonl");
      write_text_atomically(file, "");  // with exist_ok=true an earlier run's lines may be there
      lines_.emplace(file);
    }
    if (!settings_.save) return;
    VideoWriterOptions options;
    options.width = reader_.facts().width, options.height = reader_.facts().height;
    options.rate = reader_.rate();
    options.pixel_aspect = reader_.facts().pixel_aspect;
    options.by_clock = is_live_;
    options.stop = work_.stop;
    options.length_s = reader_.facts().own_length ? reader_.facts().seconds : 0;
    if (reader_.facts().has_sound && reader_.source().kind == VideoSource::Kind::kFile)
      options.sound = reader_.source();
    result_.file = work_.folder / (stem_ + ".mp4");
    writer_ = std::make_unique<VideoWriter>(find_video_programs(), result_.file, options);
  }

  void close_outputs() {
    if (lines_) lines_->flush();
    if (!writer_) return;
    if (writer_->written() == 0) {
      writer_.reset();
      result_.file.clear();
    } else if (const std::string amiss = writer_->finish(!result_.stopped && result_.fault.empty()); !amiss.empty()) {
      log::warning(amiss);
    }
  }

  /// Up to `count` frames; none at the end. What goes wrong in reading ends the video, and what came before counts.
  std::vector<Frame> take(FramesAhead& frames, std::size_t count) {
    std::vector<Frame> taken;
    try {
      while (taken.size() < count) {
        std::optional<Frame> frame = frames.next(work_.stop);
        if (!frame) break;
        taken.push_back(std::move(*frame));
      }
    } catch (const DataError& error) {
      result_.fault = error.what();
    } catch (const IoError& error) {
      result_.fault = error.what();
    }
    return taken;
  }

  void detect(std::vector<Frame> frames) {
    std::vector<RgbView> views;
    for (const Frame& frame : frames) views.push_back(frame.picture);
    DetectionTimes times;
    std::vector<PictureDetections> found = work_.detect(views, times);
    const double ms = times.total_ms();
    result_.ms += ms;
    std::vector<SeenFrame> seen;
    for (std::size_t i = 0; i < frames.size(); ++i) {
      record(frames[i], found[i], ms / static_cast<double>(frames.size()));
      seen.push_back({std::move(frames[i]), std::move(found[i])});
    }
    if (writer_ || settings_.save_crop) write_pictures(std::move(seen));
  }

  std::string name_of(const Frame& frame) const { return stem_ + "_" + std::to_string(frame.number); }

  void record(const Frame& frame, const PictureDetections& found, double ms) {
    const PictureSize size = frame.picture.full_size();
    ++result_.frames;
    result_.detections += static_cast<std::int64_t>(found.size());
    if (settings_.save_txt)
      write_text_atomically(work_.folder / "labels" / (name_of(frame) + ".txt"),
                            yolo_lines(found, size.width, size.height, settings_.save_conf));
    if (!lines_) return;
    nlohmann::ordered_json line = picture_json(result_.name, size, found, work_.names, ms);
    line["frame"] = frame.number;
    lines_->append(json_line(line) + "\n");
  }

  /// Draws and encodes a batch beside the detection of the next one; in order, so one batch at a time.
  void write_pictures(std::vector<SeenFrame> seen) {
    if (writing_.valid()) writing_.get();
    auto write = [this, seen = std::move(seen)] {
      for (const auto& [frame, found] : seen) {
        // A frame's names are its own, so that there is nothing to remember of those before.
        const std::vector<fs::path> crops =
            settings_.save_crop ? CropNames().names_for(work_.folder, name_of(frame), found, work_.names)
                                : std::vector<fs::path>();
        for (std::size_t i = 0; i < crops.size(); ++i) write_picture(crops[i], cut_out(frame.picture, found[i]));
        if (writer_) writer_->write(drawn(frame.picture, found, work_.names));
      }
    };
    if (settings_.workers == 0) return write();
    writing_ = std::async(std::launch::async, std::move(write));
  }

  const VideoWork& work_;
  const Settings& settings_;
  std::string stem_;
  VideoReader reader_;
  bool is_live_ = false;
  VideoResult result_;
  std::optional<LineFile> lines_;
  std::unique_ptr<VideoWriter> writer_;
  std::future<void> writing_;  ///< last: what it uses is still there when it is waited for
};

VideoResult nothing_of(const VideoWork& work, const VideoSource& source, const Error& error) {
  VideoResult nothing;
  nothing.name = source.shown();
  nothing.stopped = work.stop && work.stop();
  if (!nothing.stopped) nothing.fault = error.what();
  return nothing;
}

}  // namespace

VideoResult predict_video(const VideoWork& work, const VideoSource& source, const std::string& stem) {
  std::optional<VideoRun> run;
  try {
    run.emplace(work, source, stem);
  } catch (const DataError& error) {
    return nothing_of(work, source, error);
  } catch (const IoError& error) {
    return nothing_of(work, source, error);
  }
  return run->run();
}

nlohmann::ordered_json video_json(const VideoResult& result) {
  return {{"file", result.name},
          {"width", result.facts.width},
          {"height", result.facts.height},
          {"fps", result.rate.value()},
          {"frames", result.frames},
          {"passed_over", result.passed_over},
          {"detections", result.detections},
          {"ms", result.ms_per_frame()},
          {"output", result.file.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(result.file.string())},
          {"stopped", result.stopped}};
}

}  // namespace rtdetr
