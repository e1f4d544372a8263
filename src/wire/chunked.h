// What Beast's parser has to be spared. Include it only in .cc files.
#pragma once

#include <cstddef>

namespace mesh::wire {

// Whether `parser` should not see the `available` bytes yet. Wherever one stands in an unfinished chunked body, at
// least five bytes are still to come ("0" CRLF CRLF, RFC 9112 section 7.1); Beast 1.81 takes that for granted when it
// looks at an empty last chunk for the second time, and stops a debug build when fewer are there.
template <typename Parser>
bool awaits_more_of_a_chunk(const Parser& parser, std::size_t available) {
  constexpr std::size_t kShortestEnd = 5;
  return parser.is_header_done() && parser.chunked() && !parser.is_done() && available < kShortestEnd;
}

}  // namespace mesh::wire
