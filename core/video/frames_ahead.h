#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "core/image/picture.h"
#include "core/video/video_reader.h"

namespace rtdetr {

/// A frame with its place in the video.
struct Frame {
  Picture picture;
  std::int64_t number = 0;  ///< from 1, of all frames, those passed over among them
};

/// Takes the frames of a video on a thread of its own while the caller works with those before. Of a file every frame
/// comes, and the thread waits when `most` of them wait for the caller; of a camera or a stream the oldest makes room
/// for the newest, so that what the caller sees is never old. One caller.
class FramesAhead {
 public:
  FramesAhead(VideoReader& reader, std::int64_t stride, std::size_t most, bool newest_alone);
  ~FramesAhead();
  FramesAhead(const FramesAhead&) = delete;
  FramesAhead& operator=(const FramesAhead&) = delete;

  /// The next frame; nullopt after the last, or as soon as `stop` says true, which is asked ten times a second.
  /// @throws what the reader threw, behind the last frame
  std::optional<Frame> next(const std::function<bool()>& stop = {});
  /// Frames that made room for newer ones so far.
  std::int64_t passed_over() const;

 private:
  void work();

  VideoReader& reader_;
  const std::int64_t stride_;
  const std::size_t most_;
  const bool newest_alone_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Frame> waiting_;
  std::int64_t passed_over_ = 0;
  bool ended_ = false, given_up_ = false;
  std::exception_ptr failure_;
  std::jthread thread_;  ///< last, so that it ends before what it uses
};

}  // namespace rtdetr
