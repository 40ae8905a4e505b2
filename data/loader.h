#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "data/dataset.h"
#include "data/sample.h"
#include "data/transforms.h"

namespace rtdetr {

struct LoaderOptions {
  std::int64_t batch_size = 16;
  int threads = 2;   ///< 0 = in the caller's thread; the batches are the same for any number
  int prefetch = 2;  ///< finished batches waiting at most
  std::uint64_t seed = 0;
  bool shuffle = true;
  bool drop_last = true;         ///< a last batch that is not full is left out; else it is smaller
  double max_bad = 0.001;        ///< share of unreadable pictures above which the run stops
  std::int64_t cache_mib = 512;  ///< decoded pictures kept in memory, first come; 0 = none
};

/// Gives picture `index` of the data set, decoded; called from several threads at once.
using SampleSource = std::function<Sample(std::int64_t index)>;

/// Batches of a data set, in an order and with pixels that depend on (seed, epoch, position) alone: not on threads,
/// prefetch or what came before.
///
/// In training (TransformOptions::augment) a picture that cannot be read is named once, counted, and replaced by
/// another chosen by (seed, epoch, index). In evaluation it stops the run: a score over other pictures means nothing.
/// What decoders warn of in pictures that are whole is said at an epoch's end, in one line for each kind.
/// With `shuffle` the first batches of the next epoch are prepared while the last ones of this epoch are used.
/// All calls from one thread. The dataset must outlive the loader.
class Loader {
 public:
  /// @param source  where pictures come from; by default load_sample(dataset, index)
  /// @throws ConfigError  for an option out of range; DataError  for a data set without pictures
  Loader(const Dataset& dataset, TransformOptions transforms, LoaderOptions options, SampleSource source = {});
  ~Loader();

  std::int64_t batches_per_epoch() const;
  /// Starts epoch `epoch` at batch `first_batch`; whatever was under way is dropped, unless it is just that.
  void start(std::int64_t epoch, std::int64_t first_batch = 0);
  /// Other transforms from the next start() on; until then there are no batches. Cached pictures stay, and so does the
  /// memory of which could not be read.
  /// @throws ConfigError  for an option out of range
  void set_transforms(TransformOptions transforms);
  /// Next batch, or nullopt at the epoch's end. @throws DataError from a worker, with the file's name
  std::optional<Batch> next();
  /// Seconds the last next() waited.
  double last_wait() const;
  /// Pictures that could not be read, in the batches handed out so far.
  std::int64_t bad_pictures() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rtdetr
