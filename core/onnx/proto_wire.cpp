#include "core/onnx/proto_wire.h"

#include <cstring>

#include "core/io/little_endian.h"

namespace rtdetr {

void ProtoMessage::number(std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(value | 0x80);
  bytes_ += static_cast<char>(value);
}

ProtoMessage& ProtoMessage::varint(int field, std::int64_t value) {
  tag(field, Kind::kVarint);
  number(static_cast<std::uint64_t>(value));
  return *this;
}

ProtoMessage& ProtoMessage::fixed32(int field, float value) {
  tag(field, Kind::kFixed32);
  char raw[sizeof(value)];
  std::memcpy(raw, &value, sizeof(value));
  bytes_.append(raw, sizeof(raw));
  return *this;
}

ProtoMessage& ProtoMessage::announce(int field, std::uint64_t size) {
  tag(field, Kind::kBytes);
  number(size);
  return *this;
}

ProtoMessage& ProtoMessage::text(int field, std::string_view value) {
  announce(field, value.size());
  bytes_ += value;
  return *this;
}

namespace {

[[noreturn]] void refuse_kind(const ProtoField& field, const char* wanted) {
  throw ProtoFault{"field " + std::to_string(field.number) + " is not " + wanted};
}

}  // namespace

std::int64_t ProtoField::as_integer() const {
  if (kind != 0) refuse_kind(*this, "an integer");
  return static_cast<std::int64_t>(value);
}

float ProtoField::as_float() const {
  if (kind != 5) refuse_kind(*this, "a number of four bytes");
  const auto raw = static_cast<std::uint32_t>(value);
  float result = 0;
  std::memcpy(&result, &raw, sizeof(result));
  return result;
}

std::string_view ProtoField::as_bytes() const {
  if (kind != 2) refuse_kind(*this, "bytes with their length");
  return bytes;
}

std::uint64_t ProtoReader::number() {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const auto byte = static_cast<unsigned char>(take(1).front());
    const std::uint64_t bits = byte & 0x7F;
    if (shift == 63 && bits > 1) break;
    value |= bits << shift;
    if (byte < 0x80) return value;
  }
  throw ProtoFault{"an integer has more than 64 bits"};
}

std::string_view ProtoReader::take(std::uint64_t size) {
  if (size > rest_.size()) {
    throw ProtoFault{std::to_string(size) + " bytes are announced where " + std::to_string(rest_.size()) + " are left"};
  }
  const std::string_view taken = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return taken;
}

std::optional<ProtoField> ProtoReader::next() {
  if (rest_.empty()) return std::nullopt;
  const std::uint64_t tag = number();
  constexpr std::uint64_t kLargestField = (std::uint64_t{1} << 29) - 1;
  ProtoField field;
  if (tag >> 3 == 0 || tag >> 3 > kLargestField) throw ProtoFault{"a field has no possible number"};
  field.number = static_cast<int>(tag >> 3);
  field.kind = static_cast<int>(tag & 7);
  switch (field.kind) {
    case 0:
      field.value = number();
      break;
    case 2:
      field.bytes = take(number());
      break;
    case 5:
      field.value = little_endian(take(4));
      break;
    default:
      throw ProtoFault{"field " + std::to_string(field.number) + " is of the kind " + std::to_string(field.kind) +
                       ", which onnx.proto does not use"};
  }
  return field;
}

}  // namespace rtdetr
