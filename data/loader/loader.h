#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "data/dataset/dataset.h"
#include "data/dataset/sample.h"
#include "data/loader/loader_options.h"
#include "data/loader/sample_cache.h"
#include "data/transforms/transforms.h"

namespace rtdetr {

/// Batches of a data set, in an order and with pixels that depend on (seed, epoch, position) alone: not on threads,
/// prefetch or what came before. One of several processes gets its part of each batch (LoaderOptions).
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
  /// Whether next() would give a batch without waiting.
  bool is_ready() const;
  /// Seconds the last next() waited.
  double last_wait() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rtdetr
