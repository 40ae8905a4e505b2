#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>

#include <webp/decode.h>
#include <webp/demux.h>

#include "core/base/error.h"
#include "core/image/picture_codecs.h"

namespace rtdetr {
namespace {

/// Bytes a pixel beside the three of the result: a lossless picture is held whole by the library, as is an alpha plane,
/// and what that is decoded from.
constexpr double kLosslessBytes = 4, kAlphaBytes = 5;

const std::uint8_t* begin_of(std::span<const std::byte> bytes) {
  return reinterpret_cast<const std::uint8_t*>(bytes.data());
}

std::string words_of(VP8StatusCode status) {
  switch (status) {
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED:
      return "the file ends too early";
    case VP8_STATUS_UNSUPPORTED_FEATURE:
      return "a feature that libwebp does not know";
    default:
      return "the bit stream makes no sense";
  }
}

/// Decodes one frame, straight into its rows. Alpha is dropped, not blended.
void decode_into(std::span<const std::byte> frame, std::uint8_t* out, std::size_t row_bytes, std::size_t out_bytes,
                 const std::string& name) {
  WebPDecoderConfig config;
  if (!WebPInitDecoderConfig(&config)) throw InternalError("libwebp is of another version than its headers");
  config.output.colorspace = MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA.rgba = out;
  config.output.u.RGBA.stride = static_cast<int>(row_bytes);
  config.output.u.RGBA.size = out_bytes;
  const VP8StatusCode status = WebPDecode(begin_of(frame), frame.size(), &config);
  if (status == VP8_STATUS_OUT_OF_MEMORY) throw std::bad_alloc();
  if (status != VP8_STATUS_OK) throw DataError("'" + name + "': corrupt WebP: " + words_of(status));
}

struct DeleteDemuxer {
  void operator()(WebPDemuxer* demuxer) const { WebPDemuxDelete(demuxer); }
};

/// The first frame of an animation, on black where it is smaller than the picture.
Picture decode_first_frame(std::span<const std::byte> bytes, const std::string& name, Picture picture) {
  const WebPData data{begin_of(bytes), bytes.size()};
  const std::unique_ptr<WebPDemuxer, DeleteDemuxer> demuxer(WebPDemux(&data));
  WebPIterator frame{};
  if (!demuxer || !WebPDemuxGetFrame(demuxer.get(), 1, &frame))
    throw DataError("'" + name + "': corrupt WebP: the animation has no whole frame");
  const std::unique_ptr<WebPIterator, decltype(&WebPDemuxReleaseIterator)> release(&frame, WebPDemuxReleaseIterator);
  WebPBitstreamFeatures features;
  const bool fits = frame.x_offset >= 0 && frame.y_offset >= 0 && frame.width <= picture.width - frame.x_offset &&
                    frame.height <= picture.height - frame.y_offset;
  const std::span<const std::byte> fragment(reinterpret_cast<const std::byte*>(frame.fragment.bytes),
                                            frame.fragment.size);
  if (!fits || WebPGetFeatures(frame.fragment.bytes, frame.fragment.size, &features) != VP8_STATUS_OK ||
      features.width != frame.width || features.height != frame.height)
    throw DataError("'" + name + "': corrupt WebP: a frame reaches beyond the picture");
  const std::size_t row_bytes = static_cast<std::size_t>(picture.width) * 3;
  std::uint8_t* const corner = picture.row(frame.y_offset) + static_cast<std::ptrdiff_t>(frame.x_offset) * 3;
  decode_into(fragment, corner, row_bytes, picture.rgb.size() - static_cast<std::size_t>(corner - picture.rgb.data()),
              name);
  picture.warnings.push_back("an animation, of which the first picture is taken (WebP)");
  return picture;
}

}  // namespace

Picture decode_webp(std::span<const std::byte> bytes, const std::string& name, const PictureLimits& limits) {
  constexpr int kLossless = 2;
  WebPBitstreamFeatures features;
  const VP8StatusCode status = WebPGetFeatures(begin_of(bytes), bytes.size(), &features);
  if (status != VP8_STATUS_OK) throw DataError("'" + name + "': corrupt WebP: " + words_of(status));
  check_claimed_size(features.width, features.height, name, limits);
  const bool may_be_lossless = features.format == kLossless || features.has_animation;
  const double pixels = static_cast<double>(features.width) * features.height;
  check_decoding_memory({.what = "a WebP",
                         .bytes = pixels * (3 + (may_be_lossless      ? kLosslessBytes
                                                 : features.has_alpha ? kAlphaBytes
                                                                      : 0)),
                         .file_bytes = bytes.size()},
                        name, limits);
  Picture picture(features.width, features.height);
  if (features.has_animation) return decode_first_frame(bytes, name, std::move(picture));
  decode_into(bytes, picture.rgb.data(), static_cast<std::size_t>(picture.width) * 3, picture.rgb.size(), name);
  return picture;
}

PictureSize webp_size(std::span<const std::byte> start, const std::string& name) {
  WebPBitstreamFeatures features;
  const VP8StatusCode status = WebPGetFeatures(begin_of(start), start.size(), &features);
  if (status != VP8_STATUS_OK) throw DataError("'" + name + "': corrupt WebP: " + words_of(status));
  return {features.width, features.height};
}

}  // namespace rtdetr
