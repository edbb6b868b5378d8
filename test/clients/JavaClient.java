import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;

/** The JDK's client as it comes: it offers `Upgrade: h2c` with the first request of a connection. */
public class JavaClient {
  public static void main(String[] args) throws Exception {
    HttpClient client = HttpClient.newHttpClient();
    HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(args[0] + "/v2/models/floats/infer"))
        .POST(HttpRequest.BodyPublishers.ofString(args[2]));
    if (!args[1].isEmpty()) request.header("Authorization", "Bearer " + args[1]);
    HttpResponse<String> answer = client.send(request.build(), HttpResponse.BodyHandlers.ofString());
    System.out.println(answer.statusCode() + " " + answer.body());
  }
}
