#include <gtest/gtest.h>

#include <thread>

#include "base/clock.h"
#include "base/encoding.h"
#include "base/ids.h"
#include "base/mailbox.h"
#include "base/published.h"
#include "base/result.h"

namespace mesh {
namespace {

using namespace std::chrono_literals;

TEST(Duration, ReadsWhatTheFieldWrites) {
  EXPECT_EQ(parse_duration("5s").value(), 5s);
  EXPECT_EQ(parse_duration("1h30m").value(), 90min);
  EXPECT_EQ(parse_duration("250ms").value(), 250ms);
  EXPECT_EQ(parse_duration("1.5s").value(), 1500ms);
  EXPECT_EQ(parse_duration("-1s").value(), -1s);
  EXPECT_EQ(parse_duration("0").value(), 0s);
}

TEST(Time, OutsideOfItsRangeIsMovedToTheNearestEnd) {
  EXPECT_LT(parse_time("0001-01-01T00:00:00Z").value(), parse_time("1700-01-01T00:00:00Z").value());
  EXPECT_GT(parse_time("9999-12-31T23:59:59Z").value(), parse_time("2200-01-01T00:00:00Z").value());
}

TEST(Duration, RefusesWhatHasNoUnitOrNoNumber) {
  for (const char* text : {"", "5", "s", "5x", "1..5s", ".", "-", "5s5", "999999999999999h"})
    EXPECT_FALSE(parse_duration(text).has_value()) << text;
}

TEST(Duration, PrintsInTheSameSyntax) {
  EXPECT_EQ(format_duration(1h), "1h0m0s");
  EXPECT_EQ(format_duration(5s), "5s");
  EXPECT_EQ(format_duration(250ms), "250ms");
  EXPECT_EQ(format_duration(1500ms), "1.5s");
  EXPECT_EQ(format_duration(90s), "1m30s");
}

TEST(Time, GoesToTextAndBack) {
  const std::string text = "2026-11-23T20:59:12.785276401Z";
  EXPECT_EQ(format_time(parse_time(text).value()), text);
  EXPECT_EQ(format_time(parse_time("2026-01-01T02:00:00+02:00").value()), "2026-01-01T00:00:00Z");
  EXPECT_FALSE(parse_time("yesterday").has_value());
}

TEST(Base64, IsStrictSoThatOneTextStandsForOneValue) {
  EXPECT_EQ(base64_encode("ab"), "YWI=");
  EXPECT_EQ(base64_decode("YWI=").value(), "ab");
  EXPECT_EQ(base64url_encode("\xff\xfe"), "__4");
  EXPECT_EQ(base64url_decode("__4").value(), "\xff\xfe");
  for (const char* text : {"YWI", "YW=I", "YWJ=", "Y", "YWI=\n"}) EXPECT_FALSE(base64_decode(text).has_value()) << text;
}

TEST(ConstantTimeComparison, AgreesWithEquality) {
  EXPECT_TRUE(equal_constant_time("abc", "abc"));
  EXPECT_FALSE(equal_constant_time("abc", "abd"));
  EXPECT_FALSE(equal_constant_time("abc", "abcd"));
}

TEST(Mailbox, HandsOverEverythingThatWaitsInOrder) {
  Mailbox<int> mailbox;
  mailbox.put(1);
  mailbox.put(2);
  EXPECT_EQ(mailbox.take_all(), (std::vector{1, 2}));
  mailbox.close();
  EXPECT_FALSE(mailbox.put(3));
  EXPECT_TRUE(mailbox.take_all().empty());
}

TEST(Mailbox, WakesAReaderThatWaits) {
  Mailbox<int> mailbox;
  std::vector<int> got;
  std::jthread reader([&] { got = mailbox.take_all(); });
  mailbox.put(7);
  reader.join();
  EXPECT_EQ(got, std::vector{7});
}

TEST(Published, GivesReadersTheNewestValue) {
  Published<int> number(std::make_shared<const int>(1));
  const auto before = number.get();
  number.set(std::make_shared<const int>(2));
  EXPECT_EQ(*before, 1);
  EXPECT_EQ(*number.get(), 2);
}

Result<int> half_of(int number) {
  if (number % 2 != 0) return invalid("number", "is odd");
  return number / 2;
}

Result<int> quarter_of(int number) {
  MESH_TRY(const int half, half_of(number));
  return half_of(half);
}

TEST(Result, PassesErrorsOn) {
  EXPECT_EQ(quarter_of(8).value(), 2);
  EXPECT_EQ(quarter_of(6).error().message(), "number: is odd");
}

}  // namespace
}  // namespace mesh
