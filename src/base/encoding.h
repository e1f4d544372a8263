// Bytes as text and back, and comparing secrets.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace mesh {

std::string base64_encode(std::string_view bytes);                   // RFC 4648 section 4, with padding
std::string base64url_encode(std::string_view bytes);                // RFC 4648 section 5, without padding (JWT)
std::optional<std::string> base64_decode(std::string_view text);     // strict: nothing but the alphabet and its padding
std::optional<std::string> base64url_decode(std::string_view text);  // strict, without padding

std::string hex_encode(std::string_view bytes);  // lower case

// Takes the same time wherever the first difference is. Use it for anything an attacker may guess at.
bool equal_constant_time(std::string_view a, std::string_view b);

}  // namespace mesh
