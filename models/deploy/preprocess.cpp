#include "models/deploy/preprocess.h"

#include "core/image/chw.h"

namespace rtdetr {
namespace {

/// Its pixels may be fewer than those of the picture that boxes are wanted in.
PictureSize full_size(const ImageView& view) {
  if (view.full_width > 0) return {view.full_width, view.full_height};
  return {view.width, view.height};
}

}  // namespace

ModelInput preprocess(std::span<const ImageView> pictures, const PreprocessOptions& options) {
  ModelInput input;
  for (const ImageView& picture : pictures)
    input.placements.push_back(place(full_size(picture), options.size, options.fit));
  const bool is_padded = options.fit == Fit::kKeepRatio;
  const ImageSize size = is_padded ? input_for(input.placements, options.stride) : options.size;
  const torch::Tensor images = torch::empty({static_cast<std::int64_t>(pictures.size()), 3, size.height, size.width});
  float* out = images.mutable_data_ptr<float>();
  for (std::size_t i = 0; i < pictures.size(); ++i, out += 3 * size.height * size.width) {
    const Placement& placement = input.placements[i];
    const ChwView image = ChwView::whole(out, static_cast<int>(size.width), static_cast<int>(size.height));
    if (options.fit != Fit::kStretch) fill_around(placement, options.fit, image);
    resize_to_chw_float(pictures[i], options.resampling, part_of(placement, image));
    if (is_padded) input.valid_sizes.push_back(placement.unit);
  }
  input.images = images.contiguous(torch::MemoryFormat::ChannelsLast);
  return input;
}

ModelInput preprocess(std::span<const Picture> pictures, const PreprocessOptions& options) {
  std::vector<ImageView> views;
  for (const Picture& picture : pictures) views.push_back(ImageView::of(picture));
  return preprocess(views, options);
}

}  // namespace rtdetr
