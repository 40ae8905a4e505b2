#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include "core/base/error.h"
#include "core/image/picture_codecs.h"

/// Pixels of a BMP stand in the file as they are, so reading one is reading numbers: of 1, 4 or 8 bits that choose from
/// a palette, of 16 or 32 with a mask for each colour, or of 24. What is compressed (RLE, or a JPEG inside) is refused.
namespace rtdetr {
namespace {

using BmpSpan = std::span<const std::byte>;
using BmpColor = std::array<std::uint8_t, 3>;

class BmpBytes {
 public:
  BmpBytes(BmpSpan bytes, const std::string& name) : bytes_(bytes), name_(name) {}

  BmpSpan part(std::size_t at, std::size_t count) const {
    if (at > bytes_.size() || bytes_.size() - at < count) refuse("corrupt BMP: the file ends too early");
    return bytes_.subspan(at, count);
  }
  std::uint32_t number(std::size_t at, std::size_t count) const { return value_of(part(at, count)); }
  static std::uint32_t value_of(BmpSpan bytes) {
    std::uint32_t value = 0;
    for (std::size_t i = bytes.size(); i-- > 0;) value = (value << 8) | std::to_integer<std::uint32_t>(bytes[i]);
    return value;
  }
  [[noreturn]] void refuse(const std::string& what) const { throw DataError("'" + name_ + "': " + what); }

 private:
  BmpSpan bytes_;
  const std::string& name_;
};

constexpr std::size_t kFileHeader = 14, kCoreHeader = 12, kInfoHeader = 40;
enum BmpForm : std::uint32_t { kBmpPlain = 0, kBmpMasks = 3, kBmpAlphaMasks = 6 };

struct BmpHeader {
  std::size_t size = 0;  ///< of the second header, which begins with it
  std::int64_t width = 0, height = 0;
  bool from_top = false;
  int bits = 0;
  std::uint32_t compression = kBmpPlain;
  std::size_t colors = 0;  ///< of the palette
  std::size_t pixels_at = 0;

  std::size_t row_bytes() const { return (static_cast<std::size_t>(width) * bits + 31) / 32 * 4; }
};

BmpHeader read_bmp_header(const BmpBytes& in) {
  BmpHeader header;
  header.pixels_at = in.number(10, 4);
  header.size = in.number(kFileHeader, 4);
  if (header.size == kCoreHeader) {  // OS/2's first form
    header.width = in.number(18, 2);
    header.height = in.number(20, 2);
    header.bits = static_cast<int>(in.number(24, 2));
  } else if (header.size >= kInfoHeader && header.size <= 124) {
    header.width = static_cast<std::int32_t>(in.number(18, 4));
    header.height = static_cast<std::int32_t>(in.number(22, 4));
    header.bits = static_cast<int>(in.number(28, 2));
    header.compression = in.number(30, 4);
    header.colors = in.number(46, 4);
  } else {
    in.refuse("corrupt BMP: a header of " + std::to_string(header.size) + " bytes");
  }
  header.from_top = header.height < 0;
  header.height = std::abs(header.height);
  return header;
}

void check_bmp_form(const BmpBytes& in, const BmpHeader& header) {
  const bool masks = header.compression == kBmpMasks || header.compression == kBmpAlphaMasks;
  if (header.compression != kBmpPlain && !masks)
    in.refuse("a compressed BMP (form " + std::to_string(header.compression) + "); save it without compression");
  const std::array<int, 6> depths{1, 4, 8, 16, 24, 32};
  if (std::find(depths.begin(), depths.end(), header.bits) == depths.end() ||
      (masks && header.bits != 16 && header.bits != 32))
    in.refuse("corrupt BMP: " + std::to_string(header.bits) + " bits a pixel");
}

/// Where the palette, or the three masks of a 40-byte header, stand.
std::size_t behind_headers(const BmpHeader& header) { return kFileHeader + header.size; }

std::vector<BmpColor> read_palette(const BmpBytes& in, const BmpHeader& header) {
  const std::size_t most = std::size_t{1} << header.bits, entry = header.size == kCoreHeader ? 3 : 4;
  const std::size_t count = header.colors == 0 ? most : header.colors;
  if (count > most) in.refuse("corrupt BMP: a palette of " + std::to_string(count) + " colours");
  const BmpSpan bytes = in.part(behind_headers(header), count * entry);
  std::vector<BmpColor> palette(most);  // what the file leaves out is black
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t c = 0; c < 3; ++c) palette[i][c] = std::to_integer<std::uint8_t>(bytes[i * entry + 2 - c]);
  }
  return palette;
}

void read_palette_row(BmpSpan row, int bits, const std::vector<BmpColor>& palette, int width, std::uint8_t* out) {
  for (int x = 0; x < width; ++x, out += 3) {
    const std::size_t bit = static_cast<std::size_t>(x) * bits;
    const unsigned index = (std::to_integer<unsigned>(row[bit / 8]) >> (8 - bits - bit % 8)) & ((1U << bits) - 1);
    std::copy_n(palette[index].begin(), 3, out);
  }
}

void read_bgr_row(BmpSpan row, int width, std::uint8_t* out) {
  for (int x = 0; x < width; ++x, out += 3) {
    for (int c = 0; c < 3; ++c) out[c] = std::to_integer<std::uint8_t>(row[static_cast<std::size_t>(x * 3 + 2 - c)]);
  }
}

/// A colour's bits in a pixel, and how they become 0 to 255.
struct ColorMask {
  int shift = 0;
  std::uint32_t most = 0;

  std::uint8_t of(std::uint32_t pixel) const {
    const std::uint64_t value = (pixel >> shift) & most;
    return most == 0 ? std::uint8_t{0} : static_cast<std::uint8_t>(value * 255 / most);
  }
};

std::array<ColorMask, 3> read_masks(const BmpBytes& in, const BmpHeader& header) {
  std::array<std::uint32_t, 3> masks{0xFF0000, 0xFF00, 0xFF};
  if (header.bits == 16) masks = {0x7C00, 0x3E0, 0x1F};
  if (header.compression != kBmpPlain) {
    for (std::size_t c = 0; c < 3; ++c) masks[c] = in.number(kFileHeader + kInfoHeader + 4 * c, 4);
  }
  std::array<ColorMask, 3> result;
  for (std::size_t c = 0; c < 3; ++c) {
    result[c].shift = masks[c] == 0 ? 0 : std::countr_zero(masks[c]);
    result[c].most = masks[c] >> result[c].shift;
    if ((result[c].most & (result[c].most + 1)) != 0) in.refuse("corrupt BMP: a colour mask with gaps");
  }
  return result;
}

void read_masked_row(BmpSpan row, int bits, const std::array<ColorMask, 3>& masks, int width, std::uint8_t* out) {
  const std::size_t bytes = static_cast<std::size_t>(bits) / 8;
  for (int x = 0; x < width; ++x, out += 3) {
    const std::uint32_t pixel = BmpBytes::value_of(row.subspan(static_cast<std::size_t>(x) * bytes, bytes));
    for (std::size_t c = 0; c < 3; ++c) out[c] = masks[c].of(pixel);
  }
}

}  // namespace

Picture decode_bmp(BmpSpan bytes, const std::string& name, const PictureLimits& limits) {
  const BmpBytes in(bytes, name);
  const BmpHeader header = read_bmp_header(in);
  check_claimed_size(header.width, header.height, name, limits);
  check_bmp_form(in, header);
  if (header.pixels_at < behind_headers(header)) in.refuse("corrupt BMP: the pixels begin inside the header");
  const std::size_t rows = static_cast<std::size_t>(header.height);
  const BmpSpan pixels = in.part(header.pixels_at, header.row_bytes() * rows);
  const bool has_palette = header.bits <= 8, has_masks = header.bits == 16 || header.bits == 32;
  const std::vector<BmpColor> palette = has_palette ? read_palette(in, header) : std::vector<BmpColor>();
  const std::array<ColorMask, 3> masks = has_masks ? read_masks(in, header) : std::array<ColorMask, 3>();
  Picture picture(static_cast<int>(header.width), static_cast<int>(header.height));
  for (int y = 0; y < picture.height; ++y) {
    const int stored = header.from_top ? y : picture.height - 1 - y;
    const BmpSpan row = pixels.subspan(static_cast<std::size_t>(stored) * header.row_bytes(), header.row_bytes());
    if (has_palette)
      read_palette_row(row, header.bits, palette, picture.width, picture.row(y));
    else if (has_masks)
      read_masked_row(row, header.bits, masks, picture.width, picture.row(y));
    else
      read_bgr_row(row, picture.width, picture.row(y));
  }
  return picture;
}

PictureSize bmp_size(BmpSpan start, const std::string& name) {
  const BmpHeader header = read_bmp_header(BmpBytes(start, name));
  return {static_cast<int>(header.width), static_cast<int>(header.height)};
}

}  // namespace rtdetr
