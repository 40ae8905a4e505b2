#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <new>

#include <tiffio.h>

#include "core/base/error.h"
#include "core/image/picture_codecs.h"

/// TIFF through libtiff's RGBA interface, a band of rows at a time. What it warns of while it reads the directory
/// (unknown tags) costs no pixel and is passed on; what it warns of at the pixels does.
namespace rtdetr {
namespace {

/// What libtiff's callbacks share.
struct TiffSource {
  std::span<const std::byte> bytes;
  std::size_t at = 0;
  bool at_pixels = false;
  bool failed = false;
  char message[256] = "";
  std::vector<std::string> warnings;
};

TiffSource& source_of(thandle_t handle) { return *static_cast<TiffSource*>(handle); }

tmsize_t read_source(thandle_t handle, void* out, tmsize_t count) {
  TiffSource& source = source_of(handle);
  if (count <= 0 || source.at >= source.bytes.size()) return 0;
  const std::size_t got = std::min(static_cast<std::size_t>(count), source.bytes.size() - source.at);
  std::memcpy(out, source.bytes.data() + source.at, got);
  source.at += got;
  return static_cast<tmsize_t>(got);
}
tmsize_t write_nothing(thandle_t, void*, tmsize_t) { return 0; }
toff_t seek_to(thandle_t handle, toff_t offset, int from) {
  TiffSource& source = source_of(handle);
  const std::size_t base = from == SEEK_CUR ? source.at : from == SEEK_END ? source.bytes.size() : 0;
  return source.at = base + static_cast<std::size_t>(offset);
}
int close_nothing(thandle_t) { return 0; }
toff_t size_of(thandle_t handle) { return source_of(handle).bytes.size(); }

int note_tiff_error(TIFF*, void* user, const char*, const char* format, va_list values) {
  auto* source = static_cast<TiffSource*>(user);
  if (!source->failed) std::vsnprintf(source->message, sizeof source->message, format, values);
  source->failed = true;
  return 1;
}

int note_tiff_warning(TIFF* tiff, void* user, const char* module, const char* format, va_list values) {
  auto* source = static_cast<TiffSource*>(user);
  if (source->at_pixels) return note_tiff_error(tiff, user, module, format, values);
  try {
    constexpr const char* kText = "tags that libtiff does not understand (TIFF)";
    if (source->warnings.empty()) source->warnings.emplace_back(kText);
  } catch (const std::bad_alloc&) {  // must not pass through C
  }
  return 1;
}

struct CloseTiff {
  void operator()(TIFF* tiff) const { TIFFClose(tiff); }
  void operator()(TIFFOpenOptions* options) const { TIFFOpenOptionsFree(options); }
};
using TiffFile = std::unique_ptr<TIFF, CloseTiff>;

TiffFile open_tiff(TiffSource& source, std::int64_t most_memory) {
  const std::unique_ptr<TIFFOpenOptions, CloseTiff> options(TIFFOpenOptionsAlloc());
  if (!options) throw std::bad_alloc();
  TIFFOpenOptionsSetMaxSingleMemAlloc(options.get(), most_memory);
  TIFFOpenOptionsSetErrorHandlerExtR(options.get(), note_tiff_error, &source);
  TIFFOpenOptionsSetWarningHandlerExtR(options.get(), note_tiff_warning, &source);
  // m: not mapped; C: no strips cut smaller than the file has them
  return TiffFile(TIFFClientOpenExt("picture", "rmC", &source, read_source, write_nothing, seek_to, close_nothing,
                                    size_of, nullptr, nullptr, options.get()));
}

template <class Value>
Value tiff_tag(TIFF* tiff, std::uint32_t name, Value otherwise) {
  Value value = otherwise;
  return TIFFGetFieldDefaulted(tiff, name, &value) == 1 ? value : otherwise;
}

/// The usual ways of packing pixels; the rest is rare, and a door to further decoders.
bool is_read(std::uint16_t compression) {
  constexpr std::array<std::uint16_t, 9> kRead{COMPRESSION_NONE,          COMPRESSION_CCITTRLE, COMPRESSION_CCITTFAX3,
                                               COMPRESSION_CCITTFAX4,     COMPRESSION_LZW,      COMPRESSION_JPEG,
                                               COMPRESSION_ADOBE_DEFLATE, COMPRESSION_DEFLATE,  COMPRESSION_PACKBITS};
  return std::find(kRead.begin(), kRead.end(), compression) != kRead.end();
}

/// Rows that are decoded together: a strip, or a row of tiles.
std::uint32_t rows_of_band(TIFF* tiff, std::uint32_t height) {
  const std::uint32_t rows = TIFFIsTiled(tiff) ? tiff_tag<std::uint32_t>(tiff, TIFFTAG_TILELENGTH, 0)
                                               : tiff_tag<std::uint32_t>(tiff, TIFFTAG_ROWSPERSTRIP, height);
  return std::clamp(rows, std::uint32_t{1}, height);
}

/// Alpha is dropped, not multiplied in: Pillow's convert("RGB").
void keep_colors_under_alpha(TIFF* tiff) {
  std::uint16_t count = 0;
  const std::uint16_t* kinds = nullptr;
  if (TIFFGetField(tiff, TIFFTAG_EXTRASAMPLES, &count, &kinds) != 1 || count == 0) return;
  const std::vector<std::uint16_t> unspecified(count, EXTRASAMPLE_UNSPECIFIED);
  TIFFSetField(tiff, TIFFTAG_EXTRASAMPLES, count, unspecified.data());
}

struct TiffImage {
  TIFFRGBAImage image{};
  bool begun = false;
  TiffImage(TIFF* tiff, char* message) : begun(TIFFRGBAImageBegin(&image, tiff, /*stop=*/1, message) == 1) {}
  ~TiffImage() {
    if (begun) TIFFRGBAImageEnd(&image);
  }
};

void read_bands(TIFFRGBAImage& image, std::uint32_t band, const TiffSource& source, Picture& picture) {
  const auto width = static_cast<std::uint32_t>(picture.width), height = static_cast<std::uint32_t>(picture.height);
  std::vector<std::uint32_t> raster(std::size_t{band} * width);
  for (std::uint32_t y = 0; y < height; y += band) {
    const std::uint32_t rows = std::min(band, height - y);
    image.row_offset = static_cast<int>(y);
    if (TIFFRGBAImageGet(&image, raster.data(), width, rows) != 1 || source.failed) return;
    for (std::uint32_t row = 0; row < rows; ++row) {
      const std::uint32_t* from = raster.data() + std::size_t{row} * width;
      std::uint8_t* out = picture.row(static_cast<int>(y + row));
      for (std::uint32_t x = 0; x < width; ++x, out += 3) {
        out[0] = TIFFGetR(from[x]);
        out[1] = TIFFGetG(from[x]);
        out[2] = TIFFGetB(from[x]);
      }
    }
  }
}

}  // namespace

Picture decode_tiff(std::span<const std::byte> bytes, const std::string& name, const PictureLimits& limits) {
  TiffSource source;
  source.bytes = bytes;
  const auto refuse = [&](const std::string& what) { return DataError("'" + name + "': " + what); };
  const auto corrupt = [&] { return refuse(std::string("corrupt TIFF: ") + source.message); };
  const TiffFile file = open_tiff(source, static_cast<std::int64_t>(bytes_for_pixels(limits.max_pixels)) +
                                              3 * static_cast<std::int64_t>(bytes.size()) + (1 << 20));
  if (!file) throw corrupt();
  const auto width = tiff_tag<std::uint32_t>(file.get(), TIFFTAG_IMAGEWIDTH, 0),
             height = tiff_tag<std::uint32_t>(file.get(), TIFFTAG_IMAGELENGTH, 0);
  check_claimed_size(width, height, name, limits);
  const auto compression = tiff_tag<std::uint16_t>(file.get(), TIFFTAG_COMPRESSION, COMPRESSION_NONE);
  if (!is_read(compression))
    throw refuse("a TIFF of compression " + std::to_string(compression) + ", which is not read");
  const std::uint32_t band = rows_of_band(file.get(), height);
  const double band_bytes = TIFFIsTiled(file.get()) ? static_cast<double>(TIFFTileSize64(file.get()))
                                                    : static_cast<double>(TIFFStripSize64(file.get()));
  const auto planes =
      tiff_tag<std::uint16_t>(file.get(), TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG) == PLANARCONFIG_SEPARATE
          ? std::min<std::uint16_t>(tiff_tag<std::uint16_t>(file.get(), TIFFTAG_SAMPLESPERPIXEL, 1), 4)
          : std::uint16_t{1};
  check_decoding_memory({.what = "a TIFF in large strips or tiles",
                         .bytes = 3.0 * width * height + 4.0 * width * band + planes * band_bytes,
                         .file_bytes = bytes.size()},
                        name, limits);
  keep_colors_under_alpha(file.get());
  char message[1024] = "";
  TiffImage image(file.get(), message);
  if (!image.begun) throw source.failed ? corrupt() : refuse(std::string("a TIFF that is not read: ") + message);
  image.image.req_orientation = image.image.orientation;  // as it is stored; exif.h turns
  source.at_pixels = true;
  Picture picture(static_cast<int>(width), static_cast<int>(height));
  read_bands(image.image, band, source, picture);
  if (source.failed) throw corrupt();
  picture.warnings = std::move(source.warnings);
  if (!TIFFLastDirectory(file.get())) picture.warnings.push_back("several pages, of which the first is taken (TIFF)");
  return picture;
}

}  // namespace rtdetr
