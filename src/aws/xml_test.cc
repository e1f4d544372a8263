#include "aws/xml.h"

#include <gmock/gmock.h>

namespace mesh::aws {
namespace {

TEST(Xml, GivesElementsTheirTextAndTheirNamespace) {
  const auto root = parse_xml(
      "<?xml version=\"1.0\"?>\n<A xmlns=\"https://x/\">\n  <B>1 &lt; 2 &amp;&#x41;&#66;</B>\n  <C/>\n</A>\n");
  ASSERT_TRUE(root) << root.error().message();
  EXPECT_EQ(root->name, "A");
  EXPECT_EQ(root->space, "https://x/");
  EXPECT_EQ(root->text, "");
  EXPECT_EQ(*root->text_of("B"), "1 < 2 &AB");
  EXPECT_EQ(*root->text_of("C"), "");
  EXPECT_EQ((*root->child("B"))->space, "https://x/");
}

TEST(Xml, HasNoUseForWhatIsNotElementsAndText) {
  for (const char* wrong : {
           "",
           "hello",
           "<html><body>hello<br></body></html>",
           "junk<A/>",
           "<A/><B/>",
           "<A/>junk",
           "<A",
           "<A><B></A></B>",
           "<A>text<B/></A>",
           "<A x='1' x='2'/>",
           "<A x=1/>",
           "<A><![CDATA[x]]></A>",
           "<A><!-- x --></A>",
           "<!DOCTYPE A [<!ENTITY x \"y\">]><A>&x;</A>",
           "<!DOCTYPE A SYSTEM \"file:///etc/passwd\"><A/>",
           "<A>&x;</A>",
           "<A>&#0;</A>",
           "<A>&#xD800;</A>",
           "<A>&#99999999;</A>",
           "<A>&",
           "<?xml version=\"1.0\"?><?php ?><A/>",
           "<A><?pi?></A>",
           "<a:b:c></a:b>",
           "<A>\x01</A>",
       }) {
    EXPECT_FALSE(parse_xml(wrong)) << wrong;
  }
}

TEST(Xml, IsNotLedIntoTheDepthsNorIntoTheMasses) {
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "<A>";
  EXPECT_FALSE(parse_xml(deep));
  std::string wide = "<A>";
  for (int i = 0; i < 20'000; ++i) wide += "<B/>";
  EXPECT_FALSE(parse_xml(wide + "</A>"));
  EXPECT_FALSE(parse_xml("<A>" + std::string(1 << 20, 'x') + "</A>"));
}

TEST(Xml, SaysWhenAChildIsMissingOrThereTwice) {
  const auto root = parse_xml("<A><B>1</B><B>2</B><C><D/></C></A>");
  EXPECT_FALSE(root->child("B"));
  EXPECT_FALSE(root->child("X"));
  EXPECT_FALSE(root->text_of("C"));
}

}  // namespace
}  // namespace mesh::aws
