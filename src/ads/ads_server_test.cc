// Streams as the transport shows them, without sockets: what Envoy sends goes in, what it would receive is looked at.
#include <envoy/service/discovery/v3/discovery.pb.h>
#include <gmock/gmock.h>

#include <future>

#include "ads/ads.h"
#include "ads/stream.h"

namespace mesh {
namespace {

using envoy::service::discovery::v3::DeltaDiscoveryRequest;
using envoy::service::discovery::v3::DeltaDiscoveryResponse;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kDelta = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";
constexpr const char* kSotw = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";

class FakeStream final : public wire::GrpcStream {
 public:
  explicit FakeStream(wire::Strand strand) : strand_(std::move(strand)) {}
  void send(std::vector<Bytes> pieces) override {
    std::string text;
    for (const auto& piece : pieces) text += *piece;
    unsent += text.size();
    sent.push_back(std::move(text));
  }
  void finish(wire::GrpcStatus status) override { finished = std::move(status); }
  const wire::Headers& headers() const override { return headers_; }
  const wire::Peer& peer() const override { return peer_; }
  wire::Strand strand() const override { return strand_; }
  std::size_t unsent_bytes() const override { return unsent; }

  std::vector<std::string> sent;
  std::optional<wire::GrpcStatus> finished;
  std::size_t unsent = 0;

 private:
  wire::Strand strand_;
  wire::Headers headers_;
  wire::Peer peer_;
};

class RecordingSink final : public AdsSink {
 public:
  void on_connected(const StreamInfo& stream) override {
    id = stream.stream;
    log.push_back("connected " + stream.node.id.node_id() + (stream.delta ? " delta" : ""));
  }
  void on_sent(StreamId, XdsType type, const std::string&) override { log.push_back("sent " + name(type)); }
  void on_acknowledged(StreamId, XdsType type, const std::string&) override {
    log.push_back("acknowledged " + name(type));
  }
  void on_refused(StreamId, XdsType type, const std::string&, const std::string& reason) override {
    log.push_back("refused " + name(type) + ": " + reason);
  }
  void on_holds(StreamId, XdsType type, std::uint64_t number) override {
    log.push_back("holds " + name(type) + " of " + std::to_string(number));
  }
  void on_disconnected(StreamId) override { log.push_back("disconnected"); }

  std::vector<std::string> log;
  StreamId id = 0;

 private:
  static std::string name(XdsType type) {
    const std::string& url = type_url(type);
    return url.substr(url.rfind('.') + 1);
  }
};

class AdsServerTest : public testing::Test {
 protected:
  AdsServerTest()
      : server_(sink_, [this](const ProxyNode&, const wire::Headers&, const wire::Peer&,
                              std::move_only_function<void(Status)> decided) {
          if (decide_later_) {
            decided_ = std::move(decided);
          } else {
            decided(decision_);
          }
        }) {
    server_.add_services(services_);
  }

  void open(const char* path = kDelta) {
    stream_ = std::make_shared<FakeStream>(loop_.make_strand());
    on_strand([&] { events_ = services_.at(path)(stream_); });
  }
  // Runs it on the stream's strand, and waits until everything that it led to has been done.
  void on_strand(wire::Task task) {
    stream_->strand().post(std::move(task));
    settle();
  }
  void settle() {
    for (int i = 0; i < 3; ++i) {
      std::promise<void> done;
      stream_->strand().post([&] { done.set_value(); });
      done.get_future().wait();
    }
  }
  void says(const google::protobuf::Message& request) {
    on_strand([&] { events_->on_message(request.SerializeAsString()); });
  }
  static DeltaDiscoveryRequest request(XdsType type, bool with_node = false) {
    DeltaDiscoveryRequest request;
    request.set_type_url(type_url(type));
    if (with_node) request.mutable_node()->set_id("default.web-1");
    return request;
  }
  void offer(XdsType type, const std::string& name, const std::string& version, std::string body = "") {
    Offer offer{.number = ++number_, .resources = {}};
    offer.resources[type] = std::make_shared<const NamedResourceList>(
        NamedResourceList{make_named(name, version, make_bytes(std::move(body)))});
    server_.offer(sink_.id, std::move(offer));
    settle();
  }
  DeltaDiscoveryResponse last() const {
    DeltaDiscoveryResponse response;
    EXPECT_TRUE(response.ParseFromString(stream_->sent.back()));
    return response;
  }
  void closes() {
    on_strand([&] {
      events_->on_closed({});
      events_.reset();
    });
  }

  wire::EventLoop loop_{1};
  RecordingSink sink_;
  Status decision_;
  bool decide_later_ = false;
  std::move_only_function<void(Status)> decided_;
  AdsServer server_;
  wire::GrpcServices services_;
  std::shared_ptr<FakeStream> stream_;
  std::unique_ptr<wire::GrpcEvents> events_;
  std::uint64_t number_ = 0;
};

TEST_F(AdsServerTest, AProxyIsLetInGivenItsResourcesAndReported) {
  open();
  says(request(XdsType::Cluster, true));
  offer(XdsType::Cluster, "a", "1");
  auto answer = request(XdsType::Cluster);
  answer.set_response_nonce(last().nonce());
  says(answer);
  closes();
  EXPECT_THAT(sink_.log, ElementsAre("connected default.web-1 delta", "sent Cluster", "acknowledged Cluster",
                                     "holds Cluster of 1", "disconnected"));
}

TEST_F(AdsServerTest, ARefusalIsReportedWithItsReason) {
  open();
  says(request(XdsType::Cluster, true));
  offer(XdsType::Cluster, "a", "1");
  auto answer = request(XdsType::Cluster);
  answer.set_response_nonce(last().nonce());
  answer.mutable_error_detail()->set_message("no good");
  says(answer);
  EXPECT_THAT(sink_.log, testing::Contains("refused Cluster: no good"));
  EXPECT_THAT(sink_.log, testing::Not(testing::Contains(HasSubstr("holds"))));
}

TEST_F(AdsServerTest, APeerThatComesBackWithEverythingIsKnownToHoldIt) {
  open();
  auto first = request(XdsType::Cluster, true);
  (*first.mutable_initial_resource_versions())["a"] = "1";
  says(first);
  offer(XdsType::Cluster, "a", "1");
  EXPECT_THAT(stream_->sent, IsEmpty());
  EXPECT_THAT(sink_.log, ElementsAre("connected default.web-1 delta", "holds Cluster of 1"));
  offer(XdsType::Cluster, "a", "1");
  EXPECT_EQ(sink_.log.back(), "holds Cluster of 2");
}

TEST_F(AdsServerTest, RequestsThatComeBeforeTheDecisionWaitForIt) {
  decide_later_ = true;
  open();
  says(request(XdsType::Cluster, true));
  says(request(XdsType::Listener));
  EXPECT_THAT(sink_.log, IsEmpty());
  decided_(Status{});
  settle();
  offer(XdsType::Listener, "l", "1");
  EXPECT_EQ(last().resources(0).name(), "l");
}

TEST_F(AdsServerTest, AProxyThatIsNotLetInIsToldWhy) {
  decision_ = error(ErrorKind::Denied, "tag kuma.io/service may not be \"db\"");
  open();
  says(request(XdsType::Cluster, true));
  ASSERT_TRUE(stream_->finished.has_value());
  EXPECT_EQ(stream_->finished->code, 7);
  EXPECT_THAT(stream_->finished->message, HasSubstr("kuma.io/service"));
  closes();
  EXPECT_THAT(sink_.log, IsEmpty());
}

TEST_F(AdsServerTest, ADecisionThatComesAfterTheEndChangesNothing) {
  decide_later_ = true;
  open();
  says(request(XdsType::Cluster, true));
  closes();
  decided_(Status{});
  settle();
  EXPECT_THAT(sink_.log, IsEmpty());
}

TEST_F(AdsServerTest, TheFirstRequestMustSayWhoAsks) {
  open();
  says(request(XdsType::Cluster));
  EXPECT_EQ(stream_->finished->code, 3);
}

TEST_F(AdsServerTest, AStreamBelongsToOneProxy) {
  open();
  says(request(XdsType::Cluster, true));
  auto other = request(XdsType::Listener);
  other.mutable_node()->set_id("default.web-2");
  says(other);
  EXPECT_EQ(stream_->finished->code, 3);
}

TEST_F(AdsServerTest, GarbageEndsTheStream) {
  for (const char* path : {kDelta, kSotw}) {
    open(path);
    on_strand([&] { events_->on_message("\xff\xff garbage"); });
    EXPECT_EQ(stream_->finished->code, 3);
    closes();
  }
}

TEST_F(AdsServerTest, ARequestThatIsTooLargeEndsTheStream) {
  open();
  on_strand([&] { events_->on_message(std::string(AdsStream::kMaxRequestBytes + 1, 'x')); });
  EXPECT_TRUE(stream_->finished.has_value());
}

TEST_F(AdsServerTest, AFloodBeforeTheDecisionEndsTheStream) {
  decide_later_ = true;
  open();
  says(request(XdsType::Cluster, true));
  for (std::size_t i = 0; i <= AdsStream::kMaxWaitingRequests; ++i) says(request(XdsType::Listener));
  EXPECT_TRUE(stream_->finished.has_value());
}

TEST_F(AdsServerTest, TypesThatAreNotServedAreIgnored) {
  open();
  auto first = request(XdsType::Cluster, true);
  first.set_type_url("type.googleapis.com/envoy.service.runtime.v3.Runtime");
  says(first);
  EXPECT_FALSE(stream_->finished.has_value());
  EXPECT_THAT(sink_.log, ElementsAre("connected default.web-1 delta"));
}

TEST_F(AdsServerTest, APeerThatAnswersWithoutReadingIsSentNothingMoreUntilItReads) {
  open();
  says(request(XdsType::Cluster, true));
  offer(XdsType::Cluster, "a", "1", std::string(AdsStream::kMaxUnsentBytes, 'x'));
  auto answer = request(XdsType::Cluster);
  answer.set_response_nonce(last().nonce());
  offer(XdsType::Cluster, "a", "2");
  says(answer);
  EXPECT_EQ(stream_->sent.size(), 1u);
  stream_->unsent = 0;
  offer(XdsType::Cluster, "a", "3");
  ASSERT_EQ(stream_->sent.size(), 2u);
  EXPECT_EQ(last().resources(0).version(), "3");
}

TEST_F(AdsServerTest, OffersForStreamsThatAreGoneAreIgnored) {
  open();
  says(request(XdsType::Cluster, true));
  closes();
  offer(XdsType::Cluster, "a", "1");
  EXPECT_THAT(stream_->sent, IsEmpty());
}

TEST_F(AdsServerTest, AStreamCanBeClosedFromOutside) {
  open();
  says(request(XdsType::Cluster, true));
  server_.close(sink_.id, {16, "the token was revoked"});
  settle();
  EXPECT_EQ(stream_->finished->code, 16);
  EXPECT_EQ(stream_->finished->message, "the token was revoked");
}

TEST_F(AdsServerTest, StateOfTheWorldIsServedToo) {
  open(kSotw);
  envoy::service::discovery::v3::DiscoveryRequest first;
  first.mutable_node()->set_id("default.web-1");
  first.set_type_url(type_url(XdsType::Cluster));
  says(first);
  offer(XdsType::Cluster, "a", "1");
  envoy::service::discovery::v3::DiscoveryResponse response;
  ASSERT_TRUE(response.ParseFromString(stream_->sent.back()));
  EXPECT_EQ(response.resources_size(), 1);
  EXPECT_EQ(sink_.log.front(), "connected default.web-1");
}

}  // namespace
}  // namespace mesh
