import java.io.IOException;
import java.nio.charset.StandardCharsets;
import javax.servlet.annotation.WebServlet;
import javax.servlet.http.HttpServlet;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/** A backend as the operator's: what a mini-program posts, a picture in base64 among it, becomes one line of the log. */
@WebServlet("/report")
public class Report extends HttpServlet {
  private static final Logger LOG = LogManager.getLogger("report");

  @Override
  protected void doPost(HttpServletRequest request, HttpServletResponse response) throws IOException {
    LOG.info(new String(request.getInputStream().readAllBytes(), StandardCharsets.UTF_8));
    answer(response);
  }

  @Override
  protected void doGet(HttpServletRequest request, HttpServletResponse response) throws IOException {
    answer(response);
  }

  private static void answer(HttpServletResponse response) throws IOException {
    byte[] body = "ok\n".getBytes(StandardCharsets.US_ASCII);
    response.setContentType("text/plain");
    response.setContentLength(body.length);
    response.getOutputStream().write(body);
  }
}
