#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/random.h"
#include "data/dataset/dataset.h"
#include "data/dataset/sample.h"
#include "data/loader/float_pool.h"
#include "data/loader/loader_options.h"
#include "data/loader/sample_cache.h"
#include "data/transforms/transforms.h"

namespace rtdetr {

/// The order in which an epoch shows the pictures: 0 … count-1, shuffled by (seed, epoch) if asked.
std::vector<std::int64_t> epoch_order(std::int64_t count, bool shuffle, std::uint64_t seed, std::int64_t epoch);

/// Cuts a padded batch, whose pictures lie at the top left, to the smallest size that holds them and whose sides are
/// multiples of `stride`. In its own memory.
void cut_to_largest(Batch& batch, std::int64_t stride);

struct BadPicture {
  std::int64_t index = 0;
  std::string reason;  ///< names the file
};

/// A picture that its decoder warned of and read all the same.
struct OddPicture {
  std::int64_t index = 0;
  std::vector<std::string> warnings;
};

/// A batch while it is made: several threads fill different positions at once.
struct BatchDraft {
  std::int64_t epoch = 0, number = 0;  ///< of the batch in its epoch
  Batch batch;
  FrameSize frame;                           ///< drawn for it
  std::vector<std::int64_t> pictures;        ///< by position: the picture it shows
  std::vector<std::int64_t> neighbours;      ///< by position: the one before it in the batch of all ranks
  double share = 1;                          ///< of that picture, the rest is its neighbour's (draw_batch_share)
  std::vector<std::vector<BadPicture>> bad;  ///< by position: pictures that could not be read
  std::vector<std::vector<OddPicture>> odd;  ///< by position: pictures that a decoder warned of
  std::vector<std::exception_ptr> errors;    ///< by position: anything else
};

/// Makes one rank's batches position by position. A position's result is a function of (seed, epoch, batch, position)
/// and of the rank, which says only whose pictures these are. Blended objects (copy_blend.h) alone come from what the
/// rank has of the batch.
class BatchMaker {
 public:
  BatchMaker(const Dataset& dataset, TransformOptions transforms, LoaderOptions options, SampleSource source);

  std::int64_t batches_per_epoch() const;
  /// While nothing is between begin() and fill().
  void set_transforms(TransformOptions transforms) { transforms_ = std::move(transforms); }
  /// Size, pictures and memory of a batch. One thread at a time.
  BatchDraft begin(std::int64_t epoch, std::int64_t number);
  /// Fills one position; never throws: what goes wrong is left in the draft. Different positions at once are fine.
  void fill(BatchDraft& draft, std::int64_t position);
  /// What is done to the batch as a whole, when all positions are filled; never throws, either.
  void finish(BatchDraft& draft) const;

 private:
  /// This rank's pictures of batch `number`, and how many of the last are repeated. With the epoch's order in order_.
  void deal_out(BatchDraft& draft, std::int64_t number) const;
  /// Writes one augmented picture, or a mosaic of four that begins with it.
  void draw(BatchDraft& draft, std::int64_t position, std::int64_t picture, Random& random, float* chw,
            Batch::Image& target);
  /// Blends another picture into a position.
  /// @param share  of the picture that is there; nullopt: drawn as Ultralytics does, after the other picture
  void blend(BatchDraft& draft, std::int64_t position, std::int64_t other, std::optional<double> share, Random& random);
  /// Of the augmentation of one picture in this draft's epoch.
  Random random_of(const BatchDraft& draft, std::int64_t picture) const;
  std::shared_ptr<const Sample> read(BatchDraft& draft, std::int64_t position, std::int64_t picture);

  const Dataset& dataset_;
  TransformOptions transforms_;
  const LoaderOptions options_;
  SampleCache cache_;
  FloatPool pool_;
  std::int64_t order_epoch_ = -1;
  std::vector<std::int64_t> order_;
};

}  // namespace rtdetr
